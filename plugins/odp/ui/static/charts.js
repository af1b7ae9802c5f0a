// The history as charts, drawn by Chart.js in the colours of the page's own legends.
(() => {
  const charts = document.getElementById("charts");
  const range = document.getElementById("history-range");
  let history = null;
  let drawn = [];

  const colour = (name) => getComputedStyle(charts.querySelector(`[data-series="${name}"]`)).backgroundColor;
  const number = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
  const compact = new Intl.NumberFormat("en", { notation: "compact" });
  const month = new Intl.DateTimeFormat("en-US", { month: "short", timeZone: "UTC" });
  const short = (at) => `${at.getUTCDate()} ${month.format(at)}`;
  const date = (at) => `${short(at)} ${at.getUTCFullYear()}`;
  const time = (at) => `${date(at)} ${at.toISOString().slice(11, 16)}`;

  const inWords = (seconds) => {
    if (seconds < 60) return `${Math.round(seconds)} s`;
    if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
    return `${Math.floor(seconds / 3600)} h ${Math.round((seconds % 3600) / 60)} min`;
  };

  const options = (dates, valueTick, more) => ({
    responsive: true,
    maintainAspectRatio: false,
    animation: false,
    interaction: { mode: "index", intersect: false },
    plugins: { legend: { display: false }, ...more.plugins },
    scales: {
      x: {
        stacked: more.stacked,
        grid: { display: false },
        ticks: { maxRotation: 0, autoSkipPadding: 24, callback: (at) => short(new Date(dates[at])) },
      },
      y: { stacked: more.stacked, beginAtZero: true, border: { display: false }, ticks: { maxTicksLimit: 5, callback: valueTick } },
    },
  });

  function draw() {
    drawn.forEach((chart) => chart.destroy());
    drawn = [];
    if (!history) return;
    const style = getComputedStyle(charts);
    Chart.defaults.font.family = style.fontFamily;
    Chart.defaults.color = getComputedStyle(charts.querySelector("figcaption")).color;
    Chart.defaults.borderColor = style.borderTopColor;
    const { rows, runs } = history;
    const starts = rows.map((row) => row.start);
    drawn.push(new Chart("rows-chart", {
      type: "bar",
      data: {
        labels: starts,
        datasets: ["delivered", "unchanged", "skipped", "rejected", "uncertain"].map((name) => ({
          label: name,
          data: rows.map((row) => row[name]),
          backgroundColor: colour(name),
          maxBarThickness: 26,
        })),
      },
      options: options(starts, (value) => compact.format(value), {
        stacked: true,
        plugins: {
          tooltip: {
            callbacks: {
              title: ([item]) => date(new Date(starts[item.dataIndex])),
              label: (item) => ` ${number.format(item.raw)} ${item.dataset.label}`,
            },
          },
        },
      }),
    }));
    const begun = runs.map((run) => run.started_at);
    drawn.push(new Chart("duration-chart", {
      type: "line",
      data: {
        labels: begun,
        datasets: [{
          label: "duration",
          data: runs.map((run) => run.seconds),
          borderColor: colour("success"),
          borderWidth: 1.5,
          pointRadius: runs.length > 120 ? 0 : 2.5,
          pointBackgroundColor: runs.map((run) => colour(run.state)),
          pointBorderColor: runs.map((run) => colour(run.state)),
          tension: 0.2,
        }],
      },
      options: options(begun, inWords, {
        plugins: {
          tooltip: {
            callbacks: {
              title: ([item]) => time(new Date(begun[item.dataIndex])),
              label: (item) => ` ${inWords(item.raw)}, ${number.format(runs[item.dataIndex].rows)} rows, ${runs[item.dataIndex].state}`,
            },
          },
        },
      }),
    }));
  }

  function fillTable() {
    const body = document.querySelector("#history-table tbody");
    body.replaceChildren(...history.rows.map((row) => {
      const line = document.createElement("tr");
      const head = document.createElement("th");
      head.scope = "row";
      head.textContent = date(new Date(row.start));
      line.append(head);
      for (const name of ["runs", "delivered", "unchanged", "skipped", "rejected", "uncertain"]) {
        const cell = line.insertCell();
        cell.className = "number";
        cell.textContent = number.format(row[name]);
      }
      return line;
    }));
  }

  async function load() {
    const url = new URL(charts.dataset.url, location.href);
    url.searchParams.set("days", new FormData(range).get("days"));
    const answer = await fetch(url);
    if (!answer.ok) return;
    history = await answer.json();
    document.querySelector("[data-period]").textContent = history.period;
    document.getElementById("no-history").hidden = history.runs.length > 0;
    charts.hidden = history.runs.length === 0;
    document.getElementById("history-details").hidden = charts.hidden;
    draw();
    fillTable();
  }

  range.addEventListener("change", load);
  document.addEventListener("themechange", draw);
  load();
})();
