// HTTP requests that are tried again. What a program may reach is the
// administrator's choice (allow-net); a refusal is not tried again.

/** What fetch takes, and how often and how long to try. */
export interface FetchOptions extends RequestInit {
  /** Tries after the first one. 3, or 0 if a second try could do something twice. Always 0 for a
   * body that is a stream: it is read once. */
  retries?: number;
  /** Milliseconds before the second try, doubled for each one after it. 1000. */
  retryDelay?: number;
  /** Milliseconds for one try. 30000. */
  timeout?: number;
}

/** An answer whose status is not 2xx. */
export class HttpError extends Error {
  override name = "HttpError";
  readonly url: string;
  readonly status: number;
  /** The beginning of the answer's body. */
  readonly body: string;

  constructor(url: string, status: number, body: string) {
    super(`HTTP ${status} from ${url}${body && `: ${body.slice(0, 200)}`}`);
    this.url = url;
    this.status = status;
    this.body = body;
  }
}

/** Characters of an answer that an HttpError keeps. */
const MAX_ERROR_BODY = 2000;

/** The longest wait before a try, whatever the server asks for, in milliseconds. */
const MAX_DELAY = 30_000;

/** Answers that a later try may better: RFC 9110, 6585 (429) and 8470 (425). */
const RETRIED = new Set([408, 425, 429, 500, 502, 503, 504]);

/** Methods that have the same effect once and twice (RFC 9110, section 9.2.2). */
const IDEMPOTENT = new Set(["GET", "HEAD", "OPTIONS", "PUT", "DELETE"]);

/**
 * fetch, tried again after network errors, timeouts and the answers 408, 425, 429
 * and 5xx. Resolves to the last answer, whatever its status, or rejects with the
 * last error. The timeout is for the answer's head; its body is yours to read.
 */
export function fetchWithRetry(
  url: string | URL,
  options: FetchOptions = {},
): Promise<Response> {
  return withRetries(url, options, (response) => response);
}

/**
 * Fetches a JSON value. An answer that is not 2xx, after the last try, is an
 * HttpError; the timeout covers the body.
 */
export function fetchJSON<T = unknown>(
  url: string | URL,
  options: FetchOptions = {},
): Promise<T> {
  const headers = new Headers(options.headers);
  if (!headers.has("accept")) headers.set("accept", "application/json");
  return withRetries(url, { ...options, headers }, async (response) => {
    const text = await response.text();
    if (!response.ok) {
      throw new HttpError(String(url), response.status, text.slice(0, MAX_ERROR_BODY));
    }
    try {
      return JSON.parse(text) as T;
    } catch (cause) {
      throw new SyntaxError(`${url} did not answer with JSON: ${text.slice(0, 200)}`, { cause });
    }
  });
}

async function withRetries<T>(
  url: string | URL,
  options: FetchOptions,
  read: (response: Response) => T | Promise<T>,
): Promise<T> {
  const { retries: wanted, retryDelay = 1000, timeout = 30_000, ...init } = options;
  const retries = init.body instanceof ReadableStream ? 0 : wanted ?? defaultRetries(init.method);
  // fetch reports a wrong URL like a network error, which would be tried again.
  new URL(url);
  for (let attempt = 0;; attempt++) {
    const isLast = attempt >= retries;
    const delay = Math.min(retryDelay * 2 ** attempt, MAX_DELAY);
    const result = await once(url, init, timeout, isLast, read);
    if ("value" in result) return result.value;
    if (isLast || !isTemporary(result.error, init.signal)) throw result.error;
    const wait = Math.min(result.retryAfter ?? delay, MAX_DELAY);
    console.log(`Try ${attempt + 2} of ${retries + 1} in ${wait} ms: ${result.error.message}`);
    await sleep(wait, init.signal);
  }
}

type Outcome<T> = { value: T } | { error: Error; retryAfter?: number };

/** One request. An answer worth another try is an error, unless this is the last. */
async function once<T>(
  url: string | URL,
  init: RequestInit,
  timeout: number,
  isLast: boolean,
  read: (response: Response) => T | Promise<T>,
): Promise<Outcome<T>> {
  const late = new AbortController();
  const timer = setTimeout(() => {
    late.abort(new DOMException(`${url} did not answer within ${timeout} ms`, "TimeoutError"));
  }, timeout);
  const signal = init.signal ? AbortSignal.any([init.signal, late.signal]) : late.signal;
  try {
    const response = await fetch(url, { ...init, signal });
    if (!isLast && RETRIED.has(response.status)) {
      await response.body?.cancel();
      const error = new HttpError(String(url), response.status, "");
      return { error, retryAfter: retryAfter(response) };
    }
    return { value: await read(response) };
  } catch (error) {
    return { error: error instanceof Error ? error : new Error(String(error)) };
  } finally {
    clearTimeout(timer);
  }
}

/** A POST may have been done although its answer was lost. */
function defaultRetries(method = "GET"): number {
  return IDEMPOTENT.has(method.toUpperCase()) ? 3 : 0;
}

/** Whether a later try could succeed. fetch reports network errors as TypeError. */
function isTemporary(error: Error, signal?: AbortSignal | null): boolean {
  if (signal?.aborted) return false;
  if (error instanceof HttpError) return RETRIED.has(error.status);
  return error.name === "TypeError" || error.name === "TimeoutError";
}

/** Milliseconds that the server asks for: seconds or a date (RFC 9110, 10.2.3). */
function retryAfter(response: Response): number | undefined {
  const value = response.headers.get("retry-after");
  if (value === null) return undefined;
  const wait = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now();
  return Number.isFinite(wait) ? Math.max(0, wait) : undefined;
}

function sleep(milliseconds: number, signal?: AbortSignal | null): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, milliseconds);
    signal?.addEventListener("abort", stop, { once: true });
  });
}
