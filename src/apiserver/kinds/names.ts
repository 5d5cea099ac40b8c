/** Rules for names, label keys and values, with the texts of Kubernetes (apimachinery, util/validation). */

const LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
const SUBDOMAIN = `${LABEL}(\\.${LABEL})*`;
const QUALIFIED = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";

const whole = (pattern: string): RegExp => new RegExp(`^(?:${pattern})$`);
const SUBDOMAIN_RE = whole(SUBDOMAIN);
const LABEL_RE = whole(LABEL);
const QUALIFIED_RE = whole(QUALIFIED);
const LABEL_VALUE_RE = whole(`(${QUALIFIED})?`);
const CONFIG_KEY_RE = /^[-._a-zA-Z0-9]+$/;

const bytes = (text: string): number => Buffer.byteLength(text);
const tooManyBytes = (limit: number): string => `must be no more than ${limit} bytes`;
const tooManyCharacters = (limit: number): string => `must be no more than ${limit} characters`;

const SUBDOMAIN_TEXT = `a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '${SUBDOMAIN}')`;
const LABEL_TEXT = `a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '${LABEL}')`;
const QUALIFIED_TEXT = `must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '${QUALIFIED}')`;

/** A generateName ends in `-` often: the random part makes the end valid. */
function masked(name: string, prefix: boolean): string {
  return prefix && name.length > 1 && name.endsWith("-") ? `${name.slice(0, -1)}a` : name;
}

export function subdomainErrors(name: string, prefix = false): string[] {
  const text = masked(name, prefix);
  return [
    ...(bytes(text) > 253 ? [tooManyCharacters(253)] : []),
    ...(SUBDOMAIN_RE.test(text) ? [] : [SUBDOMAIN_TEXT]),
  ];
}

export function labelErrors(name: string, prefix = false): string[] {
  const text = masked(name, prefix);
  return [...(bytes(text) > 63 ? [tooManyBytes(63)] : []), ...(LABEL_RE.test(text) ? [] : [LABEL_TEXT])];
}

/** Anything that can stand in a path: names of RBAC objects. */
export function pathSegmentErrors(name: string): string[] {
  if (name === "." || name === "..") return [`may not be '${name}'`];
  return ["/", "%"].filter((char) => name.includes(char)).map((char) => `may not contain '${char}'`);
}

/** `prefix/name` keys of labels, annotations and finalizers. */
export function qualifiedNameErrors(key: string): string[] {
  const parts = key.split("/");
  if (parts.length > 2) {
    return [
      `a valid label key ${QUALIFIED_TEXT} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`,
    ];
  }
  const errors: string[] = [];
  const name = parts[parts.length - 1] as string;
  if (parts.length === 2) {
    const prefix = parts[0] as string;
    if (prefix === "") errors.push("prefix part must be non-empty");
    else errors.push(...subdomainErrors(prefix).map((text) => `prefix part ${text}`));
  }
  if (name === "") errors.push("name part must be non-empty");
  else if (bytes(name) > 63) errors.push(`name part ${tooManyBytes(63)}`);
  if (!QUALIFIED_RE.test(name)) errors.push(`name part ${QUALIFIED_TEXT}`);
  return errors;
}

export function labelValueErrors(value: string): string[] {
  return [
    ...(bytes(value) > 63 ? [tooManyBytes(63)] : []),
    ...(LABEL_VALUE_RE.test(value)
      ? []
      : [
          `a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(${QUALIFIED})?')`,
        ]),
  ];
}

/** Keys of Secret and ConfigMap data. */
export function configKeyErrors(key: string): string[] {
  const errors: string[] = [];
  if (key.length > 253) errors.push("must be no more than 253 characters");
  if (!CONFIG_KEY_RE.test(key)) {
    errors.push(
      "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')",
    );
  }
  if (key === ".") errors.push("must not be '.'");
  else if (key === "..") errors.push("must not be '..'");
  else if (key.startsWith("..")) errors.push("must not start with '..'");
  return errors;
}
