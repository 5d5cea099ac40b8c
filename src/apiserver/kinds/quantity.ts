/** Amounts such as `500m` or `64Mi` in the form in which Kubernetes keeps them. */

const QUANTITY = /^([+-]?)(\d*)(?:\.(\d*))?(n|u|m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei|[eE][+-]?\d+)?$/;
const DECIMAL = ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"];

/** The canonical text; what is no quantity comes back as it is. */
export function canonicalQuantity(text: string): string {
  const match = QUANTITY.exec(text);
  const [, sign = "", whole = "", fraction = "", suffix = ""] = match ?? [];
  if (match === null || (whole === "" && fraction === "")) return text;
  if (suffix.endsWith("i")) return text;
  const exponent =
    suffix.startsWith("e") || (suffix.startsWith("E") && suffix.length > 1)
      ? Number(suffix.slice(1))
      : (DECIMAL.indexOf(suffix) - 3) * 3;
  // Everything in units of 10^-9, the smallest that Kubernetes knows.
  const digits = BigInt(`${whole}${fraction}` || "0");
  const shift = exponent - fraction.length + 9;
  const nanos = shift >= 0 ? digits * 10n ** BigInt(shift) : digits / 10n ** BigInt(-shift);
  if (nanos === 0n) return "0";
  let index = 0;
  let value = nanos;
  while (value % 1000n === 0n && index < DECIMAL.length - 1) {
    value /= 1000n;
    index += 1;
  }
  return `${sign === "-" ? "-" : ""}${value}${DECIMAL[index]}`;
}
