// The print button: our content policy allows no script inside a page.
document.getElementById("print").addEventListener("click", () => print());
