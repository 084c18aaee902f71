"use strict";
// What Gradio has no component for: sentences that play as they come, a/b listening, and the editor of shapes.
window.studio = (() => {
  const element = (name, attributes = {}, ...children) => {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) {
      if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
      else made.setAttribute(key, value);
    }
    made.append(...children);
    return made;
  };
  const drawing = (name, attributes = {}, ...children) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  };

  // ---------------------------------------------------------------- sentences as they come
  // `told` is {run, urls, playing}: the urls of a run grow; another run stops the one before.
  const stream = { run: null, next: 0, urls: [], audio: null, heard: 0 };
  const playNext = () => {
    if (stream.next >= stream.urls.length) { stream.audio = null; return; }
    const own = new Audio(stream.urls[stream.next]);
    stream.audio = own;
    stream.next += 1;
    own.addEventListener("playing", () => { stream.heard += 1; });
    own.addEventListener("ended", playNext);
    for (const audio of document.querySelectorAll("audio")) audio.pause();
    own.play().catch(() => { if (stream.audio === own) stream.audio = null; });
  };
  const tell = (told) => {
    if (!told || !told.run) return;
    if (told.run !== stream.run) {
      if (stream.audio) stream.audio.pause();
      Object.assign(stream, { run: told.run, next: 0, urls: [], audio: null, heard: 0 });
    }
    stream.urls = told.urls;
    if (told.playing && !stream.audio) playNext();
  };
  // One sound at a time.
  let version = null;  // of the sentence that is shaped, which was heard last in a player
  document.addEventListener("play", (event) => {
    if (event.target.id.startsWith("shape-")) version = event.target.id;
    if (stream.audio) { stream.audio.pause(); stream.audio = null; stream.next = Infinity; }
    for (const audio of document.querySelectorAll("audio")) if (audio !== event.target) audio.pause();
  }, true);
  // From one version to the other, at the same place.
  const swap = () => {
    const [now, before] = ["shape-now", "shape-before"].map((id) => document.getElementById(id));
    if (!now || !before) return;
    // A version that was just made has been heard without a player.
    const [from, to] = version === "shape-before" ? [before, now] : [now, before];
    const share = from.duration ? from.currentTime / from.duration : 0;
    to.currentTime = from.paused ? 0 : share * to.duration;
    to.play();
  };
  const download = () => document.querySelector("#download-link")?.click();

  // ---------------------------------------------------------------- shapes
  const HEIGHT = 240, STRIP = 26, LEFT = 40, TICKS = [75, 100, 150, 200, 300, 400];
  let given = null, state = null, before = [], undo = [], mode = "move", parts = null;

  const clamp = (value, low, high) => Math.min(high, Math.max(low, value));
  const rounded = (value, step) => Number((Math.round(value / step) * step).toFixed(6));
  const semitones = (ratio) => 12 * Math.log2(ratio);
  const y = (hz) => HEIGHT * (1 - Math.log(hz / given.low) / Math.log(given.high / given.low));
  const hzAt = (place) => given.low * (given.high / given.low) ** (1 - place / HEIGHT);
  const x = (seconds) => LEFT + seconds * parts.scale;
  const frameAt = (place) =>
    clamp(Math.floor((place - LEFT) / parts.scale / given.frameSeconds), 0, state.base.length - 1);
  const shown = (base, words) => base.map((hz, i) => hz * 2 ** (words[given.wordAt[i]].pitch / 12));
  const path = (line) =>
    line.map((hz, i) => `${i ? "L" : "M"}${x((i + 0.5) * given.frameSeconds).toFixed(1)},${y(clamp(hz, given.low, given.high)).toFixed(1)}`).join("");
  const copy = () => ({ words: state.words.map((word) => ({ ...word })), base: [...state.base], drawn: state.drawn });
  const remember = () => { undo.push(copy()); if (undo.length > 100) undo.shift(); };

  // Gradio makes a tab only when it is opened: until then there is a state without a picture of it.
  const show = (payload) => {
    given = payload && payload.words ? payload : null;
    parts = version = null;
    if (!given) { document.getElementById("shape-editor")?.replaceChildren(); return; }
    state = {
      words: given.words.map(({ pitch, length, volume }) => ({ pitch, length, volume })),
      base: [...given.base],
      drawn: given.drawn,
    };
    before = shown(state.base, state.words);
    undo = [];
    look();
  };

  const build = (home) => {
    const room = Math.max(home.clientWidth - 2, 280);
    const width = Math.max(room, Math.min(LEFT + given.seconds * 170, 20000));
    parts = { scale: (width - LEFT) / given.seconds, words: [], cards: [] };
    const svg = drawing("svg", { width, height: HEIGHT + 2 * STRIP + 4, role: "group",
      "aria-label": "melody over words and phones" });
    svg.append(drawing("image", { x: LEFT, y: 0, width: width - LEFT, height: HEIGHT, href: given.mel,
      preserveAspectRatio: "none" }));
    for (const hz of TICKS.filter((hz) => hz > given.low && hz < given.high)) {
      const label = drawing("text", { x: LEFT - 4, y: y(hz) + 4, "text-anchor": "end" });
      label.textContent = hz;
      svg.append(drawing("line", { class: "grid", x1: LEFT, x2: width, y1: y(hz), y2: y(hz) }), label);
    }
    parts.over = given.words.map((word) =>
      drawing("rect", { class: "over", x: x(word.start), y: 0, width: Math.max(1, (word.end - word.start) * parts.scale), height: HEIGHT }));
    parts.before = drawing("path", { class: "before", d: path(before) });
    parts.line = drawing("path", { class: "line" });
    parts.cursor = drawing("line", { class: "cursor", y1: 0, y2: HEIGHT, x1: -9, x2: -9 });
    svg.append(...parts.over, parts.before, parts.line, parts.cursor);
    given.words.forEach((word, i) => {
      const wide = Math.max(3, (word.end - word.start) * parts.scale);
      const label = drawing("text", { x: x(word.start) + wide / 2, y: HEIGHT + 18, "text-anchor": "middle" });
      label.textContent = word.name;
      if (word.name.length * 6.6 > wide) {
        label.setAttribute("textLength", Math.max(3, wide - 3));
        label.setAttribute("lengthAdjust", "spacingAndGlyphs");
      }
      const box = drawing("g", { class: "word", tabindex: 0, role: "slider", "aria-label": `pitch of ${word.name}`,
        "aria-valuemin": -12, "aria-valuemax": 12 },
        drawing("rect", { x: x(word.start), y: HEIGHT + 2, width: wide, height: STRIP - 2, rx: 4 }), label);
      box.addEventListener("keydown", (event) => {
        const step = { ArrowUp: 0.5, ArrowDown: -0.5, PageUp: 2, PageDown: -2 }[event.key];
        if (step === undefined && event.key !== "Home") return;
        event.preventDefault();
        remember();
        state.words[i].pitch = event.key === "Home" ? 0 : clamp(rounded(state.words[i].pitch + step, 0.1), -12, 12);
        refresh();
      });
      parts.words.push(box);
    });
    svg.append(...parts.words);
    for (const phone of given.phones) {
      const wide = (phone.end - phone.start) * parts.scale;
      const label = drawing("text", { x: x(phone.start) + wide / 2, y: HEIGHT + STRIP + 17, "text-anchor": "middle",
        "font-size": Math.max(6, Math.min(11, wide / Math.max(1, phone.name.length) * 1.5)) });
      label.textContent = phone.name;
      svg.append(label, drawing("line", { x1: x(phone.start), x2: x(phone.start), y1: HEIGHT + STRIP + 3,
        y2: HEIGHT + 2 * STRIP, stroke: "#8888" }));
    }
    listen(svg);
    home.replaceChildren(tools(), element("p", { class: "shape-hint" }, hint()),
      element("div", { class: "scroll shape-plot" }, svg), cards());
    parts.svg = svg;
  };

  const hint = () => mode === "move"
    ? "Drag a word up or down, or focus its name and use the arrow keys. Below: pitch in st, length in x, loudness in dB."
    : "Draw the melody with the mouse. Dashed: as it was spoken.";

  const tools = () => {
    const choice = (value, text) => {
      const input = element("input", { type: "radio", name: "shape-mode", value, onchange: () => {
        mode = value;
        document.querySelector(".shape-hint").textContent = hint();
      } });
      input.checked = mode === value;
      return element("label", {}, input, ` ${text}`);
    };
    parts.undo = element("button", { type: "button", onclick: () => { state = undo.pop() || state; refresh(); } }, "Undo");
    parts.reset = element("button", { type: "button", onclick: () => {
      remember();
      state.words = state.words.map(() => ({ pitch: 0, length: 1, volume: 0 }));
      state.base = [...given.base];
      state.drawn = given.drawn;
      refresh();
    } }, "Reset words");
    return element("div", { class: "shape-tools" },
      element("fieldset", { "aria-label": "what the mouse does" }, choice("move", "move words"), choice("draw", "draw")),
      parts.undo, parts.reset);
  };

  const cards = () => element("div", { class: "shape-words" }, ...given.words.map((word, i) => {
    const field = (name, text, unit, step, low, high) => {
      const input = element("input", { type: "number", step, min: low, max: high, "aria-label": `${text} of ${word.name}`,
        "data-name": name, onchange: () => {
          const value = Number(input.value);
          remember();
          state.words[i][name] = input.value.trim() === "" || !Number.isFinite(value)
            ? (name === "length" ? 1 : 0) : clamp(value, low, high);
          refresh();
        } });
      return element("label", {}, input, unit);
    };
    const card = element("div", { class: "shape-word" }, element("b", {}, word.name),
      field("pitch", "pitch", "st", 0.5, -12, 12), field("length", "length", "x", 0.05, 0.25, 4),
      field("volume", "loudness", "dB", 1, -40, 12));
    parts.cards.push(card);
    return card;
  }));

  const listen = (svg) => {
    let held = null;
    const place = (event) => {
      const box = svg.getBoundingClientRect();
      return [event.clientX - box.left, event.clientY - box.top];
    };
    const wordUnder = (across) => given.wordAt[frameAt(across)];
    svg.addEventListener("pointerdown", (event) => {
      const [across, down] = place(event);
      if (across < LEFT || down > HEIGHT + STRIP) return;
      event.preventDefault();
      svg.setPointerCapture(event.pointerId);
      remember();
      const word = wordUnder(across);
      if (mode === "draw" && down <= HEIGHT) held = { from: [across, down] };
      else held = { word, down, pitch: state.words[word].pitch };
      if (held.from) stroke(held.from, held.from);
      parts.over.forEach((rect, i) => rect.classList.toggle("on", i === held.word));
    });
    svg.addEventListener("pointermove", (event) => {
      if (!held) return;
      const [across, down] = place(event);
      if (held.from) {
        stroke(held.from, [across, down]);
        held.from = [across, down];
      } else {
        const moved = semitones(hzAt(down) / hzAt(held.down));
        state.words[held.word].pitch = clamp(rounded(held.pitch + moved, 0.1), -12, 12);
        refresh();
      }
    });
    const release = () => { held = null; parts.over.forEach((rect) => rect.classList.remove("on")); };
    svg.addEventListener("pointerup", release);
    svg.addEventListener("pointercancel", release);
  };

  const stroke = (from, to) => {
    const [left, right] = from[0] <= to[0] ? [from, to] : [to, from];
    for (let i = frameAt(left[0]); i <= frameAt(right[0]); i += 1) {
      const across = x((i + 0.5) * given.frameSeconds);
      const share = right[0] > left[0] ? clamp((across - left[0]) / (right[0] - left[0]), 0, 1) : 1;
      const hz = clamp(hzAt(left[1] + share * (right[1] - left[1])), given.low, given.high);
      state.base[i] = hz / 2 ** (state.words[given.wordAt[i]].pitch / 12);
    }
    state.drawn = true;
    refresh();
  };

  const refresh = () => {
    parts.line.setAttribute("d", path(shown(state.base, state.words)));
    parts.undo.disabled = !undo.length;
    state.words.forEach((word, i) => {
      const changed = word.pitch !== 0 || word.length !== 1 || word.volume !== 0;
      parts.words[i].classList.toggle("changed", changed);
      parts.words[i].setAttribute("aria-valuenow", word.pitch);
      parts.words[i].setAttribute("aria-valuetext", `${word.pitch} semitones`);
      parts.cards[i].classList.toggle("changed", changed);
      for (const input of parts.cards[i].querySelectorAll("input")) {
        const value = String(rounded(word[input.dataset.name], 0.01));
        if (input.value !== value) input.value = value;
      }
    });
  };

  const edits = () => given && { words: state.words, drawn: state.drawn ? state.base : null };

  let wide = 0;
  const look = () => {
    const home = document.getElementById("shape-editor");
    if (!home || !given || !home.clientWidth) return;
    if (!parts || !home.contains(parts.svg) || Math.abs(home.clientWidth - wide) > 2) {
      wide = home.clientWidth;
      build(home);
      refresh();
    }
    const now = document.getElementById("shape-now");
    const at = now && now.currentTime > 0 ? x(now.currentTime) : -9;
    parts.cursor.setAttribute("x1", at);
    parts.cursor.setAttribute("x2", at);
  };
  setInterval(look, 100);

  return { tell, swap, download, show, edits, stream, given: () => given };
})();
