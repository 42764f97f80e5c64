// What the browser keeps until another day, closed tabs and all. It may have no room, or be told to keep nothing: then only
// the open page has it.

export function keep(key, value) {
  try {
    localStorage.setItem(key, JSON.stringify(value));
  } catch {
    return;
  }
}

// What was kept; null where nothing was.
export function kept(key) {
  try {
    return JSON.parse(localStorage.getItem(key));
  } catch {
    return null;
  }
}

export function forget(key) {
  try {
    localStorage.removeItem(key);
  } catch {
    return;
  }
}
