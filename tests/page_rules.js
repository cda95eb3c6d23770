/* What a reader needs of a page, after the rules of WCAG 2.2 A and AA. Returns what breaks them. */
(() => {
  const broken = [];
  const say = (rule, element, why = "") =>
    broken.push(`${rule}: ${why} ${element ? element.outerHTML.slice(0, 160) : ""}`);
  const all = (selector) => [...document.querySelectorAll(selector)];
  const seen = (element) => element.checkVisibility({ visibilityProperty: true });
  const box = (element) => element.getBoundingClientRect();
  // Read aloud alone, or shown when it has the focus.
  const aside = (element) => element.closest(".unseen, .skip") !== null;

  // Language, title, ids.
  if (!document.documentElement.lang) say("lang");
  if (!document.title.trim()) say("title");
  const ids = all("[id]").map((element) => element.id);
  ids.filter((id, place) => ids.indexOf(id) !== place).forEach((id) => say("ids", null, id));
  for (const name of ["aria-labelledby", "aria-describedby", "for"]) {
    for (const element of all(`[${name}]`)) {
      for (const id of element.getAttribute(name).split(/\s+/)) {
        if (!document.getElementById(id)) say("references", element, id);
      }
    }
  }

  // Landmarks and headings.
  for (const tag of ["main", "header", "footer", "nav"]) {
    if (all(tag).length !== 1) say("landmarks", null, tag);
  }
  for (const element of document.body.querySelectorAll("p, h1, h2, table, ul, dl, details")) {
    if (!element.closest("main, header, footer, nav")) say("outside of landmarks", element);
  }
  let last = 0;
  for (const heading of all("h1, h2, h3, h4, h5, h6")) {
    const level = Number(heading.tagName[1]);
    if (level > last + 1) say("heading order", heading);
    last = level;
  }

  // Names, and places to press.
  const nameOf = (element) => {
    const by = element.getAttribute("aria-labelledby");
    const labels = [...(element.labels || [])].map((label) => label.textContent);
    const told = by ? document.getElementById(by).textContent : "";
    return [element.getAttribute("aria-label"), element.alt, told, ...labels, element.textContent]
      .filter(Boolean).join("").trim();
  };
  for (const element of all("a, button, input, select, summary, img, [role=img], [role=region]")) {
    if (!nameOf(element)) say("name", element);
    if (element.tabIndex > 0) say("tab order", element);
  }
  for (const element of all("button, input, select, summary, nav a").filter(seen)) {
    const { width, height } = box(element);
    if (width < 24 && element.type !== "checkbox" || height < 18) say("size", element, height);
  }
  for (const element of all("*").filter(seen)) {
    const { overflowX, overflowY } = getComputedStyle(element);
    const scrolls = [overflowX, overflowY].some((value) => ["auto", "scroll"].includes(value));
    const more = element.scrollHeight > element.clientHeight + 1;
    if (scrolls && more && element.tabIndex < 0 && element.tagName !== "HTML") {
      say("scrolls without keyboard", element);
    }
  }

  // Tables.
  for (const table of all("table")) {
    if (!table.caption && !table.getAttribute("aria-label")) say("caption", table);
    if (table.getAttribute("role") !== "table") say("role", table);
    for (const row of table.tBodies[0].rows) {
      const n = [...row.cells].reduce((sum, cell) => sum + cell.colSpan, 0);
      if (n !== table.tHead.rows[0].cells.length) say("columns", row);
    }
  }
  for (const head of all("th")) if (!head.scope) say("scope", head);

  // Contrast of text with what lies behind it.
  const parse = (color) => {
    const [r, g, b, a = 1] = color.match(/[\d.]+/g).map(Number);
    return { r, g, b, a };
  };
  const light = ({ r, g, b }) => {
    const [R, G, B] = [r, g, b].map((value) => {
      const share = value / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * R + 0.7152 * G + 0.0722 * B;
  };
  const behind = (element) => {
    for (let each = element; each; each = each.parentElement) {
      const color = parse(getComputedStyle(each).backgroundColor);
      if (color.a === 1) return color;
      if (color.a > 0) say("half transparent", each);
    }
    return parse("rgb(255, 255, 255)");
  };
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let checked = 0;
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement;
    if (!texts.currentNode.data.trim() || !seen(element) || aside(element)) continue;
    if (["SCRIPT", "STYLE"].includes(element.tagName)) continue;
    const style = getComputedStyle(element);
    const fore = parse(element.closest("svg") ? style.fill : style.color);
    const [high, low] = [light(fore), light(behind(element))].sort((a, b) => b - a);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    checked += 1;
    if ((high + 0.05) / (low + 0.05) < (large ? 3 : 4.5)) {
      say("contrast", element, ((high + 0.05) / (low + 0.05)).toFixed(2));
    }
  }

  // Texts of one picture do not lie on each other.
  for (const picture of all("svg")) {
    const places = [...picture.querySelectorAll("text")].map(box).sort((a, b) => a.left - b.left);
    places.forEach((place, i) => {
      if (i && place.left < places[i - 1].right + 4) say("texts that meet", picture);
    });
  }

  // Nothing to scroll for sideways, no cell so narrow that words stand letter below letter.
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth > width) say("sideways", null, width);
  for (const element of all("body *").filter((each) => seen(each) && !aside(each))) {
    if (element.closest("svg, thead")) continue;
    const { right } = box(element);
    if (right > width + 1 && !element.closest(".region")) say("beyond the edge", element, right);
  }
  for (const cell of all("td, th").filter(seen)) {
    if (cell.closest("thead") || !cell.textContent.trim()) continue;
    const longest = Math.max(...cell.textContent.split(/[\s\-]+/).map((word) => word.length));
    if (box(cell).width < 6 * Math.min(longest, 8)) say("sliver", cell, box(cell).width);
  }
  return { broken, checked, width, height: document.documentElement.scrollHeight };
})()
