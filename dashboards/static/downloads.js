// Offers every chart as an image, drawn for a light page whatever the screen shows.
"use strict";
(() => {
  const KINDS = ["png", "svg"];

  const save = (holder, format) => {
    const { data, layout } = JSON.parse(document.getElementById(holder.dataset.figure).textContent);
    const width = 1000;
    const height = Math.max(360, Math.round(holder.clientHeight * 1.2));
    const plain = { ...layout, width, height, paper_bgcolor: "#ffffff", plot_bgcolor: "#ffffff" };
    const filename = holder.dataset.name ?? `${location.pathname.split("/").pop()}-${holder.dataset.figure}`;
    return Plotly.downloadImage({ data, layout: plain }, { format, width, height, filename });
  };

  for (const holder of document.querySelectorAll("[data-figure]")) {
    const row = document.createElement("div");
    row.className = "take";
    for (const kind of KINDS) {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "save";
      button.textContent = `Save as ${kind.toUpperCase()}`;
      button.setAttribute("aria-label", `Save this chart as ${kind.toUpperCase()}`);
      button.addEventListener("click", () => save(holder, kind));
      row.append(button);
    }
    holder.after(row);
  }
})();
