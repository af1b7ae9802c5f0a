// Light or dark, as the user chose in Airflow; otherwise as the browser prefers. Loaded before anything is drawn.
(() => {
  const apply = () => {
    let choice = null;
    try {
      choice = localStorage.getItem("theme"); // where Airflow's UI keeps it
    } catch { /* no storage: the browser's preference */ }
    if (choice === "light" || choice === "dark") document.documentElement.dataset.theme = choice;
    else delete document.documentElement.dataset.theme;
    document.dispatchEvent(new Event("themechange"));
  };
  apply();
  addEventListener("storage", (event) => event.key === "theme" && apply());
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", apply);
})();
