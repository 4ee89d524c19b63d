// Offers every chart as an image, drawn for a light page whatever the screen shows.
"use strict";
(() => {
  const KINDS = ["png", "svg"];

  // Plotly reads a little markup in titles; names are text.
  const plain = (text) => text.replace(/[<>&]/g, (mark) => ({ "<": "&lt;", ">": "&gt;", "&": "&amp;" })[mark]);

  // An image leaves the page that says what it shows, so it says so itself.
  const caption = (holder) => {
    const what = holder.closest("section")?.querySelector("h2")?.textContent ?? "";
    const zone = document.querySelector("[data-zone]")?.dataset.zone;
    const words = [document.querySelector("h1").textContent, what, zone && `times in ${zone}`];
    return plain(words.filter(Boolean).map((text) => text.trim().replace(/\s+/g, " ")).join(" · "));
  };

  const save = async (holder, format) => {
    const { data, layout } = JSON.parse(document.getElementById(holder.dataset.figure).textContent);
    const width = 1000;
    const height = Math.max(360, Math.round(holder.clientHeight * 1.2));
    const title = { text: caption(holder), font: { size: 15 }, x: 0.01, xanchor: "left", y: 0.98, yanchor: "top" };
    const margin = { ...layout.margin, t: 84 };
    const paper = { paper_bgcolor: "#ffffff", plot_bgcolor: "#ffffff" };
    const legend = { orientation: "h", x: 0, y: 1.07, yanchor: "bottom", traceorder: "normal" };
    const named = data.map((trace) => ({ ...trace, showlegend: Boolean(trace.name) && trace.showlegend !== false }));
    const picture = { ...layout, ...paper, title, legend, margin, width, height, showlegend: named.some((trace) => trace.showlegend) };
    const filename = holder.dataset.name ?? `${location.pathname.split("/").pop()}-${holder.dataset.figure}`;
    return Plotly.downloadImage({ data: named, layout: picture }, { format, width, height, filename });
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
      button.addEventListener("click", () => {
        button.setAttribute("aria-busy", "true");
        save(holder, kind).finally(() => button.removeAttribute("aria-busy"));
      });
      row.append(button);
    }
    holder.after(row);
  }
})();
