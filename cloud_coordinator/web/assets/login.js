// The log-in page: sends name and password once, keeps neither.
const form = document.getElementById("login");
const said = document.getElementById("said");
const japanese = document.documentElement.lang === "ja";

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  said.textContent = "";
  const body = JSON.stringify({
    name: form.elements.name.value,
    password: form.elements.password.value,
  });
  form.elements.password.value = "";
  try {
    const answered = await fetch("/api/v1/session", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body,
    });
    if (answered.ok) {
      window.location.assign("/");
      return;
    }
    const problem = await answered.json();
    said.textContent = japanese && answered.status === 401
      ? `ログインできません。${problem.detail}`
      : problem.detail;
  } catch {
    said.textContent = japanese ? "接続できません。" : "The coordinator cannot be reached.";
  }
});
