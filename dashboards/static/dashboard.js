// Draws the figures that stand as JSON in the page, shows explanations, offers to copy commands.
"use strict";
(() => {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const narrow = matchMedia("(max-width: 560px)");
  const config = { displayModeBar: false, responsive: true, scrollZoom: false, doubleClick: false };
  const PRINT_WIDTH = 660;

  const read = (id) => JSON.parse(document.getElementById(id).textContent);

  // Figures are coloured for a light page; every colour has a counterpart for a dark one.
  const recoloured = (part, colours) => {
    if (typeof part === "string") return colours[part] ?? part;
    if (Array.isArray(part)) return part.map((item) => recoloured(item, colours));
    if (part === null || typeof part !== "object") return part;
    return Object.fromEntries(Object.entries(part).map(([k, v]) => [k, recoloured(v, colours)]));
  };

  const figure = (holder, printing) => {
    let { data, layout } = read(holder.dataset.figure);
    if (dark.matches && !printing) {
      ({ data, layout } = recoloured({ data, layout }, read("dark-colours")));
    }
    layout.xaxis.nticks = narrow.matches ? 4 : 8;
    if (narrow.matches) layout.yaxis.title.text = "";
    layout.width = printing ? PRINT_WIDTH : undefined;
    return [data, layout];
  };

  const draw = (printing = false) => {
    for (const holder of document.querySelectorAll("[data-figure]")) {
      const [data, layout] = figure(holder, printing);
      holder.querySelector(".waiting")?.remove();
      Plotly.react(holder, data, layout, config).then(() => { holder.dataset.drawn = "true"; });
    }
  };

  // An explanation opens beside its word and stays inside the window.
  const place = (word, tip) => {
    const box = word.getBoundingClientRect();
    const left = Math.min(box.left, innerWidth - tip.offsetWidth - 16);
    const below = box.bottom + 8;
    const fits = below + tip.offsetHeight < innerHeight;
    tip.style.left = `${Math.max(16, left)}px`;
    tip.style.top = `${fits ? below : Math.max(8, box.top - tip.offsetHeight - 8)}px`;
  };

  let open = null;
  let closing;
  const close = () => { clearTimeout(closing); open?.tip.hidePopover(); open = null; };
  const closeSoon = () => { clearTimeout(closing); closing = setTimeout(close, 200); };
  const explain = (word) => {
    const tip = document.getElementById(word.getAttribute("aria-describedby"));
    clearTimeout(closing);
    if (open?.word === word) return;
    close();
    tip.showPopover();
    place(word, tip);
    open = { word, tip };
  };

  const explainWords = () => {
    for (const word of document.querySelectorAll(".term")) {
      word.removeAttribute("popovertarget");
      for (const kind of ["mouseenter", "focus", "click"]) {
        word.addEventListener(kind, () => explain(word));
      }
      word.addEventListener("mouseleave", () => {
        if (document.activeElement !== word) closeSoon();
      });
      word.addEventListener("blur", close);
    }
    for (const tip of document.querySelectorAll(".tip")) {
      tip.addEventListener("mouseenter", () => clearTimeout(closing));
      tip.addEventListener("mouseleave", closeSoon);
    }
    addEventListener("keydown", (event) => { if (event.key === "Escape") close(); });
    addEventListener("click", (event) => { if (!event.target.closest(".term, .tip")) close(); });
    addEventListener("scroll", () => { if (open) place(open.word, open.tip); }, { passive: true });
  };

  const offerCopies = () => {
    if (!navigator.clipboard) return;
    for (const command of document.querySelectorAll(".command")) {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "copy";
      button.textContent = "Copy";
      button.addEventListener("click", async () => {
        await navigator.clipboard.writeText(command.querySelector("code").textContent);
        button.textContent = "Copied";
        setTimeout(() => { button.textContent = "Copy"; }, 2000);
      });
      command.append(button);
    }
  };

  // A form that was sent says so until its answer comes, and is not sent twice. Whoever stopped
  // waiting, which no event tells, or came back can send it again.
  const PATIENCE = 8000;
  const sendOnce = () => {
    let freeing;
    const free = () => {
      clearTimeout(freeing);
      for (const button of document.querySelectorAll("[aria-busy]")) button.removeAttribute("aria-busy");
    };
    addEventListener("submit", (event) => {
      const button = event.submitter;
      if (event.defaultPrevented || !button) return;
      if (button.getAttribute("aria-busy") === "true") {
        event.preventDefault();
        return;
      }
      button.setAttribute("aria-busy", "true");
      clearTimeout(freeing);
      freeing = setTimeout(free, PATIENCE);
    });
    addEventListener("pageshow", free);
  };

  explainWords();
  sendOnce();
  offerCopies();
  if (document.querySelector("[data-figure]")) {
    draw();
    for (const query of [dark, narrow]) query.addEventListener("change", () => draw());
    addEventListener("beforeprint", () => draw(true));
    addEventListener("afterprint", () => draw());
  }
})();
