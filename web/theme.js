// Takes up the theme that the user chose, before anything is drawn. The page's program changes it.
try {
  document.documentElement.dataset.theme = localStorage.getItem("partita-theme") || "";
} catch {
  // Where the browser keeps nothing, the system's theme holds.
}
