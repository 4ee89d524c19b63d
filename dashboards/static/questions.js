// Moves the bars of questions that are being answered, and keeps a form's choices in the address.
"use strict";
(() => {
  const WAIT = 1000;

  const look = async (bar) => {
    const answer = await fetch(bar.dataset.progress, { headers: { Accept: "application/json" } });
    if (!answer.ok) return false;
    const { state, percent } = await answer.json();
    bar.value = percent;
    const shown = document.querySelector("[data-percent]");
    if (shown) shown.textContent = `${percent} %`;
    const begun = bar.dataset.state && bar.dataset.state !== state;
    bar.dataset.state = state;
    return begun || !["queued", "running"].includes(state);
  };

  const follow = async () => {
    const bars = [...document.querySelectorAll("[data-progress]")];
    if (!bars.length) return;
    let over = false;
    try {
      over = (await Promise.all(bars.map(look))).some(Boolean);
    } catch {
      over = false; // the console is away for a moment
    }
    if (over) location.reload();
    else setTimeout(follow, WAIT);
  };

  const share = (form) => {
    const said = new URLSearchParams();
    const values = new FormData(form);
    const wanted = values.getAll("where_value");
    values.getAll("where_field").forEach((field, row) => {
      if (field || wanted[row]) said.append("where", `${field}=${wanted[row]}`);
    });
    for (const [name, value] of values) {
      if (name !== "csrf_token" && !name.startsWith("where_") && value !== "") said.append(name, value);
    }
    history.replaceState(null, "", `/questions/new?${said}`);
  };

  for (const form of document.querySelectorAll("[data-shared-form]")) {
    form.addEventListener("change", () => share(form));
  }
  follow();
})();
