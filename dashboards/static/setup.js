// Adds and removes rows, checks and previews without leaving the page; all of it works without.
"use strict";
(() => {
  const STAYS = /^(add:|remove:|check$|preview$|use-)/;
  const SIGNED_OUT =
    "Nothing was read: you were signed out, or in again, since this page was opened. To keep what " +
    "you typed, copy the text of the TOML side (it may lack the latest entries), open the page " +
    "again and paste it there.";
  const SILENT = "The console did not answer. What you typed is still here; try again in a moment.";
  let waiting;
  let asked = 0;
  // Whether somebody typed into the TOML side, which nothing may overwrite until both are read.
  let textEdited = false;

  const editor = () => document.getElementById("editor");

  const ask = async (form, button) => {
    const body = new URLSearchParams(new FormData(form));
    body.set("do", button);
    const number = ++asked;
    const answer = await fetch(location.pathname, { method: "POST", body, redirect: "manual" });
    if (answer.status >= 500) throw new Error("the console failed");
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    return number === asked ? page.getElementById("editor") : undefined;
  };

  const tell = (words) => {
    const card = document.createElement("p");
    card.className = "card notice wrong";
    card.tabIndex = -1;
    card.textContent = words;
    for (const busy of editor().querySelectorAll("[aria-busy]")) busy.removeAttribute("aria-busy");
    editor().querySelector(".messages").replaceChildren(card);
    card.focus();
  };

  const focusAfter = (button, before) => {
    const now = [...editor().querySelectorAll(".block, .line")].map((row) => row.id);
    const added = now.find((id) => !before.includes(id));
    if (button.startsWith("add:") && added) {
      document.querySelector(`#${CSS.escape(added)} input`)?.focus();
    } else if (button.startsWith("remove:")) {
      const list = button.slice(7).replace(/-\d+$/, "");
      editor().querySelector(`[value="add:${CSS.escape(list)}"]`)?.focus();
    } else {
      const wanted = button === "preview" ? "#preview-result" : "#problems, #fine";
      const found = editor().querySelector(wanted);
      found?.setAttribute("tabindex", "-1");
      found?.focus();
      if (!found) editor().querySelector(`[value="${CSS.escape(button)}"]:not(.hidden)`)?.focus();
    }
  };

  const swap = async (button) => {
    const before = [...editor().querySelectorAll(".block, .line")].map((row) => row.id);
    const opened = [...editor().querySelectorAll("details[id][open]")].map((row) => row.id);
    const place = scrollY;
    const fresh = await ask(editor(), button);
    if (fresh === undefined) return;
    if (!fresh) {
      tell(SIGNED_OUT);
      return;
    }
    editor().replaceWith(document.adoptNode(fresh));
    for (const id of opened) document.getElementById(id)?.setAttribute("open", "");
    listen();
    scrollTo(0, place);
    focusAfter(button, before);
  };

  // What is typed into the form appears in the text beside it.
  const mirror = async () => {
    if (textEdited) return;
    const form = editor();
    const fresh = await ask(form, "add:");
    if (!fresh || textEdited || fresh.querySelector("[value='use-toml']")) return;
    for (const name of ["toml", "toml_was", "fields_were"]) {
      form.elements[name].value = fresh.querySelector(`[name="${name}"]`).value;
    }
  };

  const listen = () => {
    const form = editor();
    if (!form) return;
    textEdited = false;
    form.addEventListener("input", (event) => {
      if (event.target.name === "toml") textEdited = true;
    });
    form.addEventListener("submit", (event) => {
      clearTimeout(waiting);
      asked += 1;
      const button = event.submitter?.value ?? "check";
      if (!STAYS.test(button)) return;
      event.preventDefault();
      event.submitter?.setAttribute("aria-busy", "true");
      swap(button).catch(() => tell(SILENT));
    });
    form.addEventListener("change", (event) => {
      const { name } = event.target;
      if (name === "toml" || name.startsWith("try-")) return;
      clearTimeout(waiting);
      const kind = /^context-\d+-type$/.test(name);
      waiting = setTimeout(() => (kind ? swap("add:") : mirror()).catch(() => {}), 150);
    });
  };

  listen();
})();
