// What the pages do besides showing: leave Airflow's frame, select all, and run an export.

// Airflow shows the page in a sandboxed frame, which may not navigate the window around it. A link to another page of Airflow is
// therefore followed by a link of that window's own.
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-top]");
  if (!link || window.parent === window || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  const outside = window.parent.document.createElement("a");
  outside.href = link.href;
  outside.click();
});

// News replace what is scrolled sideways; it stays where the user has scrolled it.
const scrolled = new Map();
document.addEventListener("htmx:beforeSwap", () => {
  document.querySelectorAll("[data-scroll]").forEach((box) => scrolled.set(box.id, box.scrollLeft));
});
document.addEventListener("htmx:afterSwap", () => {
  document.querySelectorAll("[data-scroll]").forEach((box) => { box.scrollLeft = scrolled.get(box.id) ?? box.scrollLeft; });
});

document.addEventListener("change", (event) => {
  const { all } = event.target.dataset;
  if (all) event.target.form.querySelectorAll(`[name="${all}"]`).forEach((box) => { box.checked = event.target.checked; });
  if ("submit" in event.target.dataset) event.target.form.requestSubmit();
});

// A form with data-run: the server says which requests it comes to, and the browser sends them to Airflow's REST API as the
// user who is logged in.
document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (!("run" in form.dataset)) return;
  event.preventDefault();
  const button = form.querySelector("[type=submit]");
  const outcome = form.querySelector(".outcome");
  const say = (text, isError) => {
    outcome.textContent = text;
    outcome.classList.toggle("error", isError);
  };
  const fields = new URLSearchParams(new FormData(form));
  if (form.querySelector("[data-all]") && !fields.has("Ids")) {
    say("Select at least one record.", true);
    return;
  }
  button.disabled = true;
  say("Sending …", false);
  try {
    const answer = await fetch(`${form.action}?${fields}`);
    if (answer.status === 401) location.reload();
    const run = await answer.json();
    if (!answer.ok) throw new Error(run.problem || run.detail);
    for (const request of run.requests) await askAirflow(run.root + request.path, request.method, request.body);
    say("Airflow has accepted the run.", false);
    location.assign(form.dataset.then);
  } catch (error) {
    say(error.message, true);
    button.disabled = false;
  }
});

async function askAirflow(path, method, body) {
  const answer = await fetch(path, { method, headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
  if (answer.ok) return;
  const detail = (await answer.json().catch(() => ({}))).detail;
  const words = Array.isArray(detail) ? detail.map((entry) => entry.msg).join("; ") : detail?.reason || detail;
  throw new Error(`Airflow answered ${answer.status}: ${typeof words === "string" ? words : JSON.stringify(words)}`);
}
