const SCALE = 1_000_000_000n;
const BINARY = ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
const DECIMAL: Readonly<Record<string, number>> = {
  n: -9,
  u: -6,
  m: -3,
  "": 0,
  k: 3,
  M: 6,
  G: 9,
  T: 12,
  P: 15,
  E: 18,
};

/** A Kubernetes quantity (`1.5Gi`, `200m`, `1e3`) in billionths, rounded up as the real parser does; undefined when it is none. */
export function parseQuantity(text: string): bigint | undefined {
  const match = /^([+-]?)(\d+\.?\d*|\.\d+)(?:([KMGTPE]i)|([eE][+-]?\d{1,3})|([numkMGTPE]?))$/.exec(text);
  if (match === null) return undefined;
  const [, sign, amount = "0", binary, exponent, suffix = ""] = match;
  const [whole = "", fraction = ""] = amount.split(".");
  const digits = BigInt(`${whole}${fraction}` || "0");
  let numerator = digits * SCALE;
  let denominator = 10n ** BigInt(fraction.length);
  if (binary !== undefined) numerator *= 1024n ** BigInt(BINARY.indexOf(binary) + 1);
  const power = exponent === undefined ? (DECIMAL[suffix] ?? 0) : Number(exponent.slice(1));
  if (power >= 0) numerator *= 10n ** BigInt(power);
  else denominator *= 10n ** BigInt(-power);
  const magnitude = (numerator + denominator - 1n) / denominator;
  return sign === "-" ? -magnitude : magnitude;
}

export const QUANTITY_SCALE = SCALE;

const BINARY_STEP = 1024n;
const DECIMAL_SUFFIXES = ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"];

/** A quantity as Kubernetes writes it back: `0.1` is `100m`, `1000m` is `1`, `1024Ki` is `1Mi`. */
export function canonicalQuantity(text: string): string | undefined {
  const amount = parseQuantity(text);
  if (amount === undefined) return undefined;
  if (amount === 0n) return "0";
  const sign = amount < 0n ? "-" : "";
  const magnitude = amount < 0n ? -amount : amount;
  if (/i$/.test(text) && magnitude % SCALE === 0n) return sign + binaryText(magnitude / SCALE);
  let value = magnitude;
  let step = 0;
  while (value % 1000n === 0n && step < DECIMAL_SUFFIXES.length - 1) {
    value /= 1000n;
    step++;
  }
  const suffix = DECIMAL_SUFFIXES[step] ?? "";
  const exponent = (step - 3) * 3;
  return /[eE][+-]?\d+$/.test(text)
    ? `${sign}${value}${exponent === 0 ? "" : `e${exponent}`}`
    : `${sign}${value}${suffix}`;
}

function binaryText(units: bigint): string {
  let value = units;
  let step = 0;
  while (value % BINARY_STEP === 0n && step < BINARY.length) {
    value /= BINARY_STEP;
    step++;
  }
  return `${value}${step === 0 ? "" : (BINARY[step - 1] ?? "")}`;
}
