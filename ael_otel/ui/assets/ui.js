"use strict";
// Live rows and keyboard. Every page works without it.
(() => {
  const $ = (selector) => document.querySelector(selector);

  // --- live rows: the server sends the rows of the table whenever they changed
  const body = $("[data-events]");
  const status = $("[data-live]");
  const pause = $("[data-pause]");
  if (body && window.EventSource) {
    let source = null;
    let last = body.dataset.events;
    const tell = (text) => { if (status.textContent !== text) status.textContent = text; };
    const replace = (html) => {
      const chosen = new Set([...body.querySelectorAll("input:checked")].map((box) => box.value));
      const focused = body.contains(document.activeElement) ? document.activeElement : null;
      const [href, value] = focused ? [focused.getAttribute("href"), focused.value] : [null, null];
      body.innerHTML = html; // rows of the server's own template, in which every text is escaped
      for (const box of body.querySelectorAll("input")) {
        box.checked = chosen.has(box.value);
        if (value && box.value === value) box.focus({ preventScroll: true });
      }
      if (href) for (const link of body.querySelectorAll("a")) if (link.getAttribute("href") === href) link.focus({ preventScroll: true });
    };
    const start = () => {
      source = new EventSource(last);
      source.onopen = () => tell("Live: new runs appear by themselves.");
      source.onmessage = (event) => {
        replace(event.data);
        last = body.dataset.events.replace(/([?&]seen=)[0-9a-f]*/, "$1" + event.lastEventId);
      };
      source.onerror = () => tell(source.readyState === 2 ? "Not live: reload the page." : "Not connected: is ael ui still running?");
      pause.textContent = "Pause";
    };
    const stop = () => { source.close(); source = null; tell("Paused."); pause.textContent = "Resume"; };
    pause.hidden = false;
    pause.addEventListener("click", () => (source ? stop() : start()));
    addEventListener("pagehide", () => source && source.close());
    addEventListener("pageshow", (event) => { if (event.persisted && source) start(); });
    start();
  }

  // --- keyboard: only while a row has the focus, so that no key of the browser or of a screen reader is taken away
  for (const keys of document.querySelectorAll(".keys")) keys.hidden = !$("[data-keys] .stop");
  document.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const row = event.target.closest && event.target.closest(".stop");
    const list = row && row.closest("[data-keys]");
    if (!list) return;
    const details = row.tagName === "SUMMARY" ? row.parentElement : null;
    if (details && (event.key === "ArrowRight" || event.key === "ArrowLeft")) {
      details.open = event.key === "ArrowRight";
      event.preventDefault();
      return;
    }
    const step = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1, Home: -Infinity, End: Infinity }[event.key];
    if (step === undefined) return;
    const rows = [...list.querySelectorAll(".stop")];
    const to = Math.min(Math.max(rows.indexOf(row) + step, 0), rows.length - 1);
    rows[to].focus();
    event.preventDefault();
  });

  // --- a row that the address names is open
  const named = location.hash && document.getElementById(location.hash.slice(1));
  if (named && named.tagName === "DETAILS") named.open = true;

  // --- empty filters are not part of the address
  for (const form of document.querySelectorAll("form.filters")) {
    form.addEventListener("submit", () => {
      for (const field of form.elements) field.disabled = field.name !== "" && field.value === "" && (field.name !== "since" || location.pathname === "/");
      setTimeout(() => { for (const field of form.elements) field.disabled = false; });
    });
  }
})();
