// Formulas and numbers in elements.

const MATHML = "http://www.w3.org/1998/Math/MathML";
const formulas = new Map(); // parsed formulas by their source

function html(tag, className, parent, text) {
  return element(tag, className ? { class: className } : {}, parent, text);
}

// MathML from formula.py, which escapes names. For safety it is parsed in a separate document, and only
// its MathML elements are taken over.
function math(inside, className, parent) {
  if (!formulas.has(inside)) formulas.set(inside, parsed(inside));
  html("div", className, parent).append(formulas.get(inside).cloneNode(true));
}

function parsed(inside) {
  const source = `<math displaystyle="true">${inside}</math>`;
  const found = new DOMParser().parseFromString(source, "text/html").querySelector("math");
  for (const element of found.querySelectorAll("*")) {
    if (element.namespaceURI !== MATHML) element.remove();
  }
  return document.importNode(found, true);
}

// Four significant digits, as "%.4g" in Python.
function number(x) {
  if (typeof x === "string") return x;
  if (x === 0) return "0";
  if (!Number.isFinite(x)) return Number.isNaN(x) ? "nan" : x < 0 ? "-inf" : "inf";
  // Where x lies exactly between two roundings, toExponential takes the larger one, Python the even one.
  const isMiddle = /\d\.\d\d[02468]50*e/.exec(x.toExponential(40));
  const rounded = isMiddle ? x.toExponential(4).replace("5e", "e") : x.toExponential(3);
  const [mantissa, exponent] = rounded.split("e").map(Number);
  if (exponent >= -4 && exponent < 4) return String(Number(rounded));
  return `${mantissa}e${exponent < 0 ? "-" : "+"}${String(Math.abs(exponent)).padStart(2, "0")}`;
}

// A number, or the number for the texts "inf", "-inf" and "nan"; NaN for other texts.
function real(x) {
  return typeof x === "string" ? Number(x.replace("inf", "Infinity")) : x;
}
