// What this runtime has beside Deno's: tools, playbooks, and what is newer than TypeScript 6.0.3.
declare var self: typeof globalThis;
interface Window extends EventTarget {}
declare var Window: { prototype: Window };
declare namespace Deno {
  interface HttpClient {}
}
declare function setTimeout(callback: (...args: any[]) => any, delay?: number, ...args: any[]): number;
declare function setInterval(callback: (...args: any[]) => any, delay?: number, ...args: any[]): number;
declare function clearTimeout(id?: number | null): void;
declare function clearInterval(id?: number | null): void;

declare var WORKSPACE_DIR: string;
declare var ROOT_DIR: string;
declare var PLAYBOOKS_DIR: string;
declare var PERMISSIONS: string[];
declare function importPlaybook(name: string): Promise<any>;
declare class McpToolError extends Error {
  constructor(message?: string, server?: string | null, tool?: string, content?: any[]);
  server: string | null;
  tool: string;
  content: any[];
}
interface McpFoundTool {
  name: string;
  description: string;
  parameters: any;
  [more: string]: any;
}
interface McpToolDescription {
  name: string;
  title?: string;
  description?: string;
  inputSchema: any;
  outputSchema?: any;
  [more: string]: any;
}
interface McpListedServer {
  name: string;
  [more: string]: any;
}
declare function discoverMCPTools(options?: { search?: any; limit?: number | null } | null): Promise<McpFoundTool[]>;
declare function searchTools(query?: string | null, limit?: number | null): Promise<McpFoundTool[]>;
declare function findTools(query?: string | null, limit?: number | null): Promise<any>;
declare function loadToolSpec(name: string): Promise<any>;
declare function getToolSchema(name: string): Promise<McpFoundTool | null>;
declare const session: {
  get(key: string | number): Promise<any>;
  set(key: string | number, value: any): Promise<void>;
  delete(key: string | number): Promise<boolean>;
  keys(): Promise<any[]>;
};

interface ImportMeta {
  url: string;
  [more: string]: any;
}
interface JSON {
  rawJSON(text: any): object;
  isRawJSON(value: unknown): boolean;
}
interface Math {
  sumPrecise(numbers: Iterable<number>): number;
}
interface Date {
  getYear(): number;
  setYear(year: number): number;
  toGMTString(): string;
}
interface MessagePort {
  ref(): void;
  unref(): void;
  hasRef(): boolean;
}
interface SubtleCrypto {
  encapsulateBits: any;
  decapsulateBits: any;
  encapsulateKey: any;
  decapsulateKey: any;
  getPublicKey: any;
}
declare namespace WebAssembly {
  const Tag: any, JSTag: any, Exception: any, Suspending: any, SuspendError: any;
  function promising(from: Function): (...args: any[]) => Promise<any>;
}
declare namespace Intl {
  interface Locale {
    readonly variants: string | undefined;
  }
}
interface IteratorConstructor {
  concat<T>(...items: Iterable<T>[]): IteratorObject<T, undefined, unknown>;
}
