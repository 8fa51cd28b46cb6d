"use strict";
// Making and finding elements, for the scripts of all pages. Text goes through textContent alone.

const SVG = "http://www.w3.org/2000/svg";

function byId(id) {
  return document.getElementById(id);
}

function svg(tag, attributes, parent, text) {
  return filled(document.createElementNS(SVG, tag), attributes, parent, text);
}

function element(tag, attributes, parent, text) {
  return filled(document.createElement(tag), attributes, parent, text);
}

function filled(made, attributes, parent, text) {
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (text !== undefined) made.textContent = text;
  parent?.append(made);
  return made;
}

function short(text, length) {
  const letters = Array.from(text);
  return letters.length <= length ? text : `${letters.slice(0, length - 1).join("")}…`;
}
