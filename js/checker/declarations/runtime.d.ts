// Made by make.cjs of Deno's declarations (Copyright 2018-2026 the Deno authors, MIT).
interface ImportMeta {
 url: string;
 filename?: string;
 dirname?: string;
 main: boolean;
 resolve(specifier: string): string;
}
interface Performance {
 mark(markName: string, options?: PerformanceMarkOptions): PerformanceMark;
 measure(measureName: string, options?: PerformanceMeasureOptions): PerformanceMeasure;
}
interface PerformanceMarkOptions {
 detail?: any;
 startTime?: number;
}
interface PerformanceMeasureOptions {
 detail?: any;
 start?: string | number;
 duration?: number;
 end?: string | number;
}
interface Console {
 assert(condition?: boolean, ...data: any[]): void;
 clear(): void;
 count(label?: string): void;
 countReset(label?: string): void;
 debug(...data: any[]): void;
 dir(item?: any, options?: any): void;
 dirxml(...data: any[]): void;
 error(...data: any[]): void;
 group(...data: any[]): void;
 groupCollapsed(...data: any[]): void;
 groupEnd(): void;
 info(...data: any[]): void;
 log(...data: any[]): void;
 table(tabularData?: any, properties?: string[]): void;
 time(label?: string): void;
 timeEnd(label?: string): void;
 timeLog(label?: string, ...data: any[]): void;
 trace(...data: any[]): void;
 warn(...data: any[]): void;
 timeStamp(label?: string): void;
 profile(label?: string): void;
 profileEnd(label?: string): void;
}
interface URLSearchParamsIterator<T> extends IteratorObject<T, BuiltinIteratorReturn, unknown> {
 [Symbol.iterator](): URLSearchParamsIterator<T>;
}
interface URLSearchParams {
 append(name: string, value: string): void;
 delete(name: string, value?: string): void;
 getAll(name: string): string[];
 get(name: string): string | null;
 has(name: string, value?: string): boolean;
 set(name: string, value: string): void;
 sort(): void;
 forEach(callbackfn: (value: string, key: string, parent: this) => void, thisArg?: any): void;
 keys(): URLSearchParamsIterator<string>;
 values(): URLSearchParamsIterator<string>;
 entries(): URLSearchParamsIterator<[
  string,
  string
 ]>;
 [Symbol.iterator](): URLSearchParamsIterator<[
  string,
  string
 ]>;
 toString(): string;
 readonly size: number;
}
declare var URLSearchParams: {
 readonly prototype: URLSearchParams;
 new (init?: Iterable<string[]> | Record<string, string> | string | URLSearchParams): URLSearchParams;
};
interface URL {
 hash: string;
 host: string;
 hostname: string;
 href: string;
 toString(): string;
 readonly origin: string;
 password: string;
 pathname: string;
 port: string;
 protocol: string;
 search: string;
 readonly searchParams: URLSearchParams;
 username: string;
 toJSON(): string;
}
declare var URL: {
 readonly prototype: URL;
 new (url: string | URL, base?: string | URL): URL;
 parse(url: string | URL, base?: string | URL): URL | null;
 canParse(url: string | URL, base?: string | URL): boolean;
 createObjectURL(blob: Blob): string;
 revokeObjectURL(url: string): void;
};
interface URLPatternInit {
 protocol?: string;
 username?: string;
 password?: string;
 hostname?: string;
 port?: string;
 pathname?: string;
 search?: string;
 hash?: string;
 baseURL?: string;
}
type URLPatternInput = string | URLPatternInit;
interface URLPatternComponentResult {
 input: string;
 groups: Record<string, string | undefined>;
}
interface URLPatternResult {
 inputs: [
  URLPatternInit
 ] | [
  URLPatternInit,
  string
 ];
 protocol: URLPatternComponentResult;
 username: URLPatternComponentResult;
 password: URLPatternComponentResult;
 hostname: URLPatternComponentResult;
 port: URLPatternComponentResult;
 pathname: URLPatternComponentResult;
 search: URLPatternComponentResult;
 hash: URLPatternComponentResult;
}
interface URLPatternOptions {
 ignoreCase: boolean;
}
interface URLPattern {
 test(input: URLPatternInput, baseURL?: string): boolean;
 exec(input: URLPatternInput, baseURL?: string): URLPatternResult | null;
 readonly protocol: string;
 readonly username: string;
 readonly password: string;
 readonly hostname: string;
 readonly port: string;
 readonly pathname: string;
 readonly search: string;
 readonly hash: string;
 readonly hasRegExpGroups: boolean;
}
declare var URLPattern: {
 readonly prototype: URLPattern;
 new (input: URLPatternInput, baseURL: string, options?: URLPatternOptions): URLPattern;
 new (input?: URLPatternInput, options?: URLPatternOptions): URLPattern;
};
interface DOMException extends Error {
 readonly name: string;
 readonly message: string;
 readonly code: number;
 readonly INDEX_SIZE_ERR: 1;
 readonly DOMSTRING_SIZE_ERR: 2;
 readonly HIERARCHY_REQUEST_ERR: 3;
 readonly WRONG_DOCUMENT_ERR: 4;
 readonly INVALID_CHARACTER_ERR: 5;
 readonly NO_DATA_ALLOWED_ERR: 6;
 readonly NO_MODIFICATION_ALLOWED_ERR: 7;
 readonly NOT_FOUND_ERR: 8;
 readonly NOT_SUPPORTED_ERR: 9;
 readonly INUSE_ATTRIBUTE_ERR: 10;
 readonly INVALID_STATE_ERR: 11;
 readonly SYNTAX_ERR: 12;
 readonly INVALID_MODIFICATION_ERR: 13;
 readonly NAMESPACE_ERR: 14;
 readonly INVALID_ACCESS_ERR: 15;
 readonly VALIDATION_ERR: 16;
 readonly TYPE_MISMATCH_ERR: 17;
 readonly SECURITY_ERR: 18;
 readonly NETWORK_ERR: 19;
 readonly ABORT_ERR: 20;
 readonly URL_MISMATCH_ERR: 21;
 readonly QUOTA_EXCEEDED_ERR: 22;
 readonly TIMEOUT_ERR: 23;
 readonly INVALID_NODE_TYPE_ERR: 24;
 readonly DATA_CLONE_ERR: 25;
}
declare var DOMException: {
 readonly prototype: DOMException;
 new (message?: string, name?: string): DOMException;
 readonly INDEX_SIZE_ERR: 1;
 readonly DOMSTRING_SIZE_ERR: 2;
 readonly HIERARCHY_REQUEST_ERR: 3;
 readonly WRONG_DOCUMENT_ERR: 4;
 readonly INVALID_CHARACTER_ERR: 5;
 readonly NO_DATA_ALLOWED_ERR: 6;
 readonly NO_MODIFICATION_ALLOWED_ERR: 7;
 readonly NOT_FOUND_ERR: 8;
 readonly NOT_SUPPORTED_ERR: 9;
 readonly INUSE_ATTRIBUTE_ERR: 10;
 readonly INVALID_STATE_ERR: 11;
 readonly SYNTAX_ERR: 12;
 readonly INVALID_MODIFICATION_ERR: 13;
 readonly NAMESPACE_ERR: 14;
 readonly INVALID_ACCESS_ERR: 15;
 readonly VALIDATION_ERR: 16;
 readonly TYPE_MISMATCH_ERR: 17;
 readonly SECURITY_ERR: 18;
 readonly NETWORK_ERR: 19;
 readonly ABORT_ERR: 20;
 readonly URL_MISMATCH_ERR: 21;
 readonly QUOTA_EXCEEDED_ERR: 22;
 readonly TIMEOUT_ERR: 23;
 readonly INVALID_NODE_TYPE_ERR: 24;
 readonly DATA_CLONE_ERR: 25;
};
interface QuotaExceededErrorOptions {
 quota?: number;
 requested?: number;
}
interface QuotaExceededError extends DOMException {
 readonly quota: number | null;
 readonly requested: number | null;
}
declare var QuotaExceededError: {
 readonly prototype: QuotaExceededError;
 new (message?: string, options?: QuotaExceededErrorOptions): QuotaExceededError;
};
interface EventInit {
 bubbles?: boolean;
 cancelable?: boolean;
 composed?: boolean;
}
interface Event {
 readonly bubbles: boolean;
 cancelBubble: boolean;
 readonly cancelable: boolean;
 readonly composed: boolean;
 readonly currentTarget: EventTarget | null;
 readonly defaultPrevented: boolean;
 readonly eventPhase: number;
 readonly isTrusted: boolean;
 returnValue: boolean;
 readonly srcElement: EventTarget | null;
 readonly target: EventTarget | null;
 readonly timeStamp: number;
 readonly type: string;
 composedPath(): EventTarget[];
 preventDefault(): void;
 stopImmediatePropagation(): void;
 stopPropagation(): void;
 readonly NONE: 0;
 readonly CAPTURING_PHASE: 1;
 readonly AT_TARGET: 2;
 readonly BUBBLING_PHASE: 3;
}
declare var Event: {
 readonly prototype: Event;
 new (type: string, eventInitDict?: EventInit): Event;
 readonly NONE: 0;
 readonly CAPTURING_PHASE: 1;
 readonly AT_TARGET: 2;
 readonly BUBBLING_PHASE: 3;
};
interface EventTarget {
 addEventListener(type: string, listener: EventListenerOrEventListenerObject | null, options?: boolean | AddEventListenerOptions): void;
 dispatchEvent(event: Event): boolean;
 removeEventListener(type: string, callback: EventListenerOrEventListenerObject | null, options?: EventListenerOptions | boolean): void;
}
declare var EventTarget: {
 readonly prototype: EventTarget;
 new (): EventTarget;
};
interface EventListener {
 (evt: Event): void;
}
interface EventListenerObject {
 handleEvent(evt: Event): void;
}
type EventListenerOrEventListenerObject = EventListener | EventListenerObject;
interface AddEventListenerOptions extends EventListenerOptions {
 once?: boolean;
 passive?: boolean;
 signal?: AbortSignal;
}
interface EventListenerOptions {
 capture?: boolean;
}
interface ProgressEventInit extends EventInit {
 lengthComputable?: boolean;
 loaded?: number;
 total?: number;
}
interface ProgressEvent<T extends EventTarget = EventTarget> extends Event {
 readonly lengthComputable: boolean;
 readonly loaded: number;
 readonly target: T | null;
 readonly total: number;
}
declare var ProgressEvent: {
 readonly prototype: ProgressEvent;
 new (type: string, eventInitDict?: ProgressEventInit): ProgressEvent;
};
declare function atob(s: string): string;
declare function btoa(s: string): string;
interface TextDecoderOptions {
 fatal?: boolean;
 ignoreBOM?: boolean;
}
interface TextDecodeOptions {
 stream?: boolean;
}
interface TextDecoder extends TextDecoderCommon {
 decode(input?: AllowSharedBufferSource, options?: TextDecodeOptions): string;
}
declare var TextDecoder: {
 readonly prototype: TextDecoder;
 new (label?: string, options?: TextDecoderOptions): TextDecoder;
};
interface TextDecoderCommon {
 readonly encoding: string;
 readonly fatal: boolean;
 readonly ignoreBOM: boolean;
}
interface TextEncoderEncodeIntoResult {
 read: number;
 written: number;
}
interface TextEncoder extends TextEncoderCommon {
 encode(input?: string): Uint8Array<ArrayBuffer>;
 encodeInto(input: string, dest: Uint8Array<ArrayBufferLike>): TextEncoderEncodeIntoResult;
}
declare var TextEncoder: {
 readonly prototype: TextEncoder;
 new (): TextEncoder;
};
interface TextEncoderCommon {
 readonly encoding: string;
}
interface TextDecoderStream extends GenericTransformStream, TextDecoderCommon {
 readonly readable: ReadableStream<string>;
 readonly writable: WritableStream<AllowSharedBufferSource>;
}
declare var TextDecoderStream: {
 readonly prototype: TextDecoderStream;
 new (label?: string, options?: TextDecoderOptions): TextDecoderStream;
};
interface TextEncoderStream extends GenericTransformStream, TextEncoderCommon {
 readonly readable: ReadableStream<Uint8Array<ArrayBuffer>>;
 readonly writable: WritableStream<string>;
}
declare var TextEncoderStream: {
 readonly prototype: TextEncoderStream;
 new (): TextEncoderStream;
};
interface AbortController {
 readonly signal: AbortSignal;
 abort(reason?: any): void;
}
declare var AbortController: {
 readonly prototype: AbortController;
 new (): AbortController;
};
interface AbortSignalEventMap {
 abort: Event;
}
interface AbortSignal extends EventTarget {
 readonly aborted: boolean;
 readonly reason: any;
 onabort: ((this: AbortSignal, ev: Event) => any) | null;
 addEventListener<K extends keyof AbortSignalEventMap>(type: K, listener: (this: AbortSignal, ev: AbortSignalEventMap[K]) => any, options?: boolean | AddEventListenerOptions): void;
 addEventListener(type: string, listener: EventListenerOrEventListenerObject, options?: boolean | AddEventListenerOptions): void;
 removeEventListener<K extends keyof AbortSignalEventMap>(type: K, listener: (this: AbortSignal, ev: AbortSignalEventMap[K]) => any, options?: boolean | EventListenerOptions): void;
 removeEventListener(type: string, listener: EventListenerOrEventListenerObject, options?: boolean | EventListenerOptions): void;
 throwIfAborted(): void;
}
declare var AbortSignal: {
 readonly prototype: AbortSignal;
 new (): never;
 abort(reason?: any): AbortSignal;
 any(signals: AbortSignal[]): AbortSignal;
 timeout(milliseconds: number): AbortSignal;
};
interface FileReaderEventMap {
 "abort": ProgressEvent<FileReader>;
 "error": ProgressEvent<FileReader>;
 "load": ProgressEvent<FileReader>;
 "loadend": ProgressEvent<FileReader>;
 "loadstart": ProgressEvent<FileReader>;
 "progress": ProgressEvent<FileReader>;
}
interface FileReader extends EventTarget {
 readonly error: DOMException | null;
 onabort: ((this: FileReader, ev: ProgressEvent<FileReader>) => any) | null;
 onerror: ((this: FileReader, ev: ProgressEvent<FileReader>) => any) | null;
 onload: ((this: FileReader, ev: ProgressEvent<FileReader>) => any) | null;
 onloadend: ((this: FileReader, ev: ProgressEvent<FileReader>) => any) | null;
 onloadstart: ((this: FileReader, ev: ProgressEvent<FileReader>) => any) | null;
 onprogress: ((this: FileReader, ev: ProgressEvent<FileReader>) => any) | null;
 readonly readyState: typeof FileReader.EMPTY | typeof FileReader.LOADING | typeof FileReader.DONE;
 readonly result: string | ArrayBuffer | null;
 abort(): void;
 readAsArrayBuffer(blob: Blob): void;
 readAsBinaryString(blob: Blob): void;
 readAsDataURL(blob: Blob): void;
 readAsText(blob: Blob, encoding?: string): void;
 readonly EMPTY: 0;
 readonly LOADING: 1;
 readonly DONE: 2;
 addEventListener<K extends keyof FileReaderEventMap>(type: K, listener: (this: FileReader, ev: FileReaderEventMap[K]) => any, options?: boolean | AddEventListenerOptions): void;
 addEventListener(type: string, listener: EventListenerOrEventListenerObject, options?: boolean | AddEventListenerOptions): void;
 removeEventListener<K extends keyof FileReaderEventMap>(type: K, listener: (this: FileReader, ev: FileReaderEventMap[K]) => any, options?: boolean | EventListenerOptions): void;
 removeEventListener(type: string, listener: EventListenerOrEventListenerObject, options?: boolean | EventListenerOptions): void;
}
declare var FileReader: {
 readonly prototype: FileReader;
 new (): FileReader;
 readonly EMPTY: 0;
 readonly LOADING: 1;
 readonly DONE: 2;
};
type BlobPart = BufferSource | Blob | string;
type EndingType = "transparent" | "native";
interface BlobPropertyBag {
 type?: string;
 endings?: EndingType;
}
interface Blob {
 readonly size: number;
 readonly type: string;
 arrayBuffer(): Promise<ArrayBuffer>;
 bytes(): Promise<Uint8Array<ArrayBuffer>>;
 slice(start?: number, end?: number, contentType?: string): Blob;
 stream(): ReadableStream<Uint8Array<ArrayBuffer>>;
 text(): Promise<string>;
 textStream(): ReadableStream<string>;
}
declare var Blob: {
 readonly prototype: Blob;
 new (blobParts?: BlobPart[], options?: BlobPropertyBag): Blob;
};
interface FilePropertyBag extends BlobPropertyBag {
 lastModified?: number;
}
interface File extends Blob {
 readonly lastModified: number;
 readonly name: string;
}
declare var File: {
 readonly prototype: File;
 new (fileBits: BlobPart[], fileName: string, options?: FilePropertyBag): File;
};
type ReadableStreamReader<T> = ReadableStreamDefaultReader<T> | ReadableStreamBYOBReader;
type ReadableStreamController<T> = ReadableStreamDefaultController<T> | ReadableByteStreamController;
interface ReadableStreamGenericReader {
 readonly closed: Promise<void>;
 cancel(reason?: any): Promise<void>;
}
interface ReadableStreamReadDoneResult<T> {
 done: true;
 value?: T;
}
interface ReadableStreamReadValueResult<T> {
 done: false;
 value: T;
}
type ReadableStreamReadResult<T> = ReadableStreamReadValueResult<T> | ReadableStreamReadDoneResult<T>;
interface ReadableStreamDefaultReader<R = any> extends ReadableStreamGenericReader {
 read(): Promise<ReadableStreamReadResult<R>>;
 releaseLock(): void;
}
declare var ReadableStreamDefaultReader: {
 readonly prototype: ReadableStreamDefaultReader;
 new <R = any>(stream: ReadableStream<R>): ReadableStreamDefaultReader<R>;
};
interface ReadableStreamBYOBReaderReadOptions {
 min?: number;
}
interface ReadableStreamBYOBReader extends ReadableStreamGenericReader {
 read<T extends ArrayBufferView>(view: T, options?: ReadableStreamBYOBReaderReadOptions): Promise<ReadableStreamReadResult<T>>;
 releaseLock(): void;
}
declare var ReadableStreamBYOBReader: {
 readonly prototype: ReadableStreamBYOBReader;
 new (stream: ReadableStream<Uint8Array<ArrayBuffer>>): ReadableStreamBYOBReader;
};
interface ReadableStreamBYOBRequest {
 readonly view: Uint8Array<ArrayBuffer> | null;
 respond(bytesWritten: number): void;
 respondWithNewView(view: ArrayBufferView): void;
}
declare var ReadableStreamBYOBRequest: {
 readonly prototype: ReadableStreamBYOBRequest;
 new (): never;
};
interface UnderlyingByteSource {
 autoAllocateChunkSize?: number;
 cancel?: UnderlyingSourceCancelCallback;
 pull?: (controller: ReadableByteStreamController) => void | PromiseLike<void>;
 start?: (controller: ReadableByteStreamController) => any;
 type: "bytes";
}
interface UnderlyingDefaultSource<R = any> {
 cancel?: UnderlyingSourceCancelCallback;
 pull?: (controller: ReadableStreamDefaultController<R>) => void | PromiseLike<void>;
 start?: (controller: ReadableStreamDefaultController<R>) => any;
 type?: undefined;
}
interface UnderlyingSink<W = any> {
 abort?: UnderlyingSinkAbortCallback;
 close?: UnderlyingSinkCloseCallback;
 start?: UnderlyingSinkStartCallback;
 type?: undefined;
 write?: UnderlyingSinkWriteCallback<W>;
}
type ReadableStreamType = "bytes";
interface UnderlyingSource<R = any> {
 autoAllocateChunkSize?: number;
 cancel?: UnderlyingSourceCancelCallback;
 pull?: UnderlyingSourcePullCallback<R>;
 start?: UnderlyingSourceStartCallback<R>;
 type?: ReadableStreamType;
}
interface UnderlyingSourceCancelCallback {
 (reason?: any): void | PromiseLike<void>;
}
interface UnderlyingSourcePullCallback<R> {
 (controller: ReadableStreamController<R>): void | PromiseLike<void>;
}
interface UnderlyingSourceStartCallback<R> {
 (controller: ReadableStreamController<R>): any;
}
interface ReadableStreamDefaultController<R = any> {
 readonly desiredSize: number | null;
 close(): void;
 enqueue(chunk?: R): void;
 error(e?: any): void;
}
declare var ReadableStreamDefaultController: {
 readonly prototype: ReadableStreamDefaultController;
 new (): never;
};
interface ReadableByteStreamController {
 readonly byobRequest: ReadableStreamBYOBRequest | null;
 readonly desiredSize: number | null;
 close(): void;
 enqueue(chunk: ArrayBufferView): void;
 error(e?: any): void;
}
declare var ReadableByteStreamController: {
 readonly prototype: ReadableByteStreamController;
 new (): never;
};
interface StreamPipeOptions {
 preventAbort?: boolean;
 preventCancel?: boolean;
 preventClose?: boolean;
 signal?: AbortSignal;
}
interface QueuingStrategySize<T = any> {
 (chunk: T): number;
}
interface QueuingStrategy<T = any> {
 highWaterMark?: number;
 size?: QueuingStrategySize<T>;
}
interface CountQueuingStrategy extends QueuingStrategy {
 readonly highWaterMark: number;
 readonly size: QueuingStrategySize;
}
declare var CountQueuingStrategy: {
 readonly prototype: CountQueuingStrategy;
 new (init: QueuingStrategyInit): CountQueuingStrategy;
};
interface ByteLengthQueuingStrategy extends QueuingStrategy<ArrayBufferView> {
 readonly highWaterMark: number;
 readonly size: QueuingStrategySize<ArrayBufferView>;
}
declare var ByteLengthQueuingStrategy: {
 readonly prototype: ByteLengthQueuingStrategy;
 new (init: QueuingStrategyInit): ByteLengthQueuingStrategy;
};
interface QueuingStrategyInit {
 highWaterMark: number;
}
interface ReadableStream<R = any> {
 readonly locked: boolean;
 cancel(reason?: any): Promise<void>;
 getReader(options: {
  mode: "byob";
 }): ReadableStreamBYOBReader;
 getReader(): ReadableStreamDefaultReader<R>;
 getReader(options?: ReadableStreamGetReaderOptions): ReadableStreamReader<R>;
 pipeThrough<T>(transform: ReadableWritablePair<T, R>, options?: StreamPipeOptions): ReadableStream<T>;
 pipeTo(destination: WritableStream<R>, options?: StreamPipeOptions): Promise<void>;
 tee(): [
  ReadableStream<R>,
  ReadableStream<R>
 ];
 values(options?: ReadableStreamIteratorOptions): AsyncIterableIterator<R>;
 [Symbol.asyncIterator](options?: ReadableStreamIteratorOptions): AsyncIterableIterator<R>;
}
declare var ReadableStream: {
 readonly prototype: ReadableStream;
 new (underlyingSource: UnderlyingByteSource, strategy?: {
  highWaterMark?: number;
 }): ReadableStream<Uint8Array<ArrayBuffer>>;
 new <R = any>(underlyingSource: UnderlyingDefaultSource<R>, strategy?: QueuingStrategy<R>): ReadableStream<R>;
 new <R = any>(underlyingSource?: UnderlyingSource<R>, strategy?: QueuingStrategy<R>): ReadableStream<R>;
 from<R>(asyncIterable: AsyncIterable<R> | Iterable<R | PromiseLike<R>> & object): ReadableStream<R>;
};
interface ReadableStreamIteratorOptions {
 preventCancel?: boolean;
}
type ReadableStreamReaderMode = "byob";
interface ReadableStreamGetReaderOptions {
 mode?: ReadableStreamReaderMode;
}
interface ReadableWritablePair<R = any, W = any> {
 readable: ReadableStream<R>;
 writable: WritableStream<W>;
}
interface UnderlyingSinkCloseCallback {
 (): void | PromiseLike<void>;
}
interface UnderlyingSinkStartCallback {
 (controller: WritableStreamDefaultController): any;
}
interface UnderlyingSinkWriteCallback<W> {
 (chunk: W, controller: WritableStreamDefaultController): void | PromiseLike<void>;
}
interface UnderlyingSinkAbortCallback {
 (reason?: any): void | PromiseLike<void>;
}
interface WritableStream<W = any> {
 readonly locked: boolean;
 abort(reason?: any): Promise<void>;
 close(): Promise<void>;
 getWriter(): WritableStreamDefaultWriter<W>;
}
declare var WritableStream: {
 readonly prototype: WritableStream;
 new <W = any>(underlyingSink?: UnderlyingSink<W>, strategy?: QueuingStrategy<W>): WritableStream<W>;
};
interface WritableStreamDefaultController {
 readonly signal: AbortSignal;
 error(e?: any): void;
}
declare var WritableStreamDefaultController: {
 readonly prototype: WritableStreamDefaultController;
 new (): never;
};
interface WritableStreamDefaultWriter<W = any> {
 readonly closed: Promise<void>;
 readonly desiredSize: number | null;
 readonly ready: Promise<void>;
 abort(reason?: any): Promise<void>;
 close(): Promise<void>;
 releaseLock(): void;
 write(chunk?: W): Promise<void>;
}
declare var WritableStreamDefaultWriter: {
 readonly prototype: WritableStreamDefaultWriter;
 new <W = any>(stream: WritableStream<W>): WritableStreamDefaultWriter<W>;
};
interface TransformStream<I = any, O = any> {
 readonly readable: ReadableStream<O>;
 readonly writable: WritableStream<I>;
}
declare var TransformStream: {
 readonly prototype: TransformStream;
 new <I = any, O = any>(transformer?: Transformer<I, O>, writableStrategy?: QueuingStrategy<I>, readableStrategy?: QueuingStrategy<O>): TransformStream<I, O>;
};
interface TransformStreamDefaultController<O = any> {
 readonly desiredSize: number | null;
 enqueue(chunk?: O): void;
 error(reason?: any): void;
 terminate(): void;
}
declare var TransformStreamDefaultController: {
 readonly prototype: TransformStreamDefaultController;
 new (): never;
};
interface Transformer<I = any, O = any> {
 flush?: TransformerFlushCallback<O>;
 readableType?: undefined;
 start?: TransformerStartCallback<O>;
 transform?: TransformerTransformCallback<I, O>;
 cancel?: TransformerCancelCallback;
 writableType?: undefined;
}
interface TransformerFlushCallback<O> {
 (controller: TransformStreamDefaultController<O>): void | PromiseLike<void>;
}
interface TransformerStartCallback<O> {
 (controller: TransformStreamDefaultController<O>): any;
}
interface TransformerTransformCallback<I, O> {
 (chunk: I, controller: TransformStreamDefaultController<O>): void | PromiseLike<void>;
}
interface TransformerCancelCallback {
 (reason: any): void | PromiseLike<void>;
}
interface GenericTransformStream {
 readonly readable: ReadableStream;
 readonly writable: WritableStream;
}
type MessageEventSource = Window | MessagePort;
interface MessageEventInit<T = any> extends EventInit {
 data?: T;
 lastEventId?: string;
 origin?: string;
 ports?: MessagePort[];
 source?: MessageEventSource | null;
}
interface MessageEvent<T = any> extends Event {
 readonly data: T;
 readonly origin: string;
 readonly lastEventId: string;
 readonly source: MessageEventSource | null;
 readonly ports: ReadonlyArray<MessagePort>;
}
declare var MessageEvent: {
 readonly prototype: MessageEvent;
 new <T>(type: string, eventInitDict?: MessageEventInit<T>): MessageEvent<T>;
};
type Transferable = MessagePort | ArrayBuffer | ReadableStream | WritableStream | TransformStream;
interface StructuredSerializeOptions {
 transfer?: Transferable[];
}
interface MessageChannel {
 readonly port1: MessagePort;
 readonly port2: MessagePort;
}
declare var MessageChannel: {
 readonly prototype: MessageChannel;
 new (): MessageChannel;
};
interface MessagePortEventMap {
 "message": MessageEvent;
 "messageerror": MessageEvent;
}
interface MessagePort extends EventTarget {
 onmessage: ((this: MessagePort, ev: MessageEvent) => any) | null;
 onmessageerror: ((this: MessagePort, ev: MessageEvent) => any) | null;
 close(): void;
 postMessage(message: any, transfer: Transferable[]): void;
 postMessage(message: any, options?: StructuredSerializeOptions): void;
 start(): void;
 addEventListener<K extends keyof MessagePortEventMap>(type: K, listener: (this: MessagePort, ev: MessagePortEventMap[K]) => any, options?: boolean | AddEventListenerOptions): void;
 addEventListener(type: string, listener: EventListenerOrEventListenerObject, options?: boolean | AddEventListenerOptions): void;
 removeEventListener<K extends keyof MessagePortEventMap>(type: K, listener: (this: MessagePort, ev: MessagePortEventMap[K]) => any, options?: boolean | EventListenerOptions): void;
 removeEventListener(type: string, listener: EventListenerOrEventListenerObject, options?: boolean | EventListenerOptions): void;
}
declare var MessagePort: {
 readonly prototype: MessagePort;
 new (): never;
};
declare function structuredClone<T = any>(value: T, options?: StructuredSerializeOptions): T;
interface CompressionStream extends GenericTransformStream {
 readonly readable: ReadableStream<Uint8Array<ArrayBuffer>>;
 readonly writable: WritableStream<BufferSource>;
}
type CompressionFormat = "deflate" | "deflate-raw" | "gzip" | "brotli";
declare var CompressionStream: {
 readonly prototype: CompressionStream;
 new (format: CompressionFormat): CompressionStream;
};
interface DecompressionStream extends GenericTransformStream {
 readonly readable: ReadableStream<Uint8Array<ArrayBuffer>>;
 readonly writable: WritableStream<BufferSource>;
}
declare var DecompressionStream: {
 readonly prototype: DecompressionStream;
 new (format: CompressionFormat): DecompressionStream;
};
declare function reportError(error: any): void;
interface DomIterable<K, V> {
 keys(): IterableIterator<K>;
 values(): IterableIterator<V>;
 entries(): IterableIterator<[
  K,
  V
 ]>;
 [Symbol.iterator](): IterableIterator<[
  K,
  V
 ]>;
 forEach(callback: (value: V, key: K, parent: this) => void, thisArg?: any): void;
}
type FormDataEntryValue = File | string;
interface FormData extends DomIterable<string, FormDataEntryValue> {
 append(name: string, value: string | Blob, fileName?: string): void;
 delete(name: string): void;
 get(name: string): FormDataEntryValue | null;
 getAll(name: string): FormDataEntryValue[];
 has(name: string): boolean;
 set(name: string, value: string | Blob, fileName?: string): void;
}
declare var FormData: {
 readonly prototype: FormData;
 new (): FormData;
};
interface Body {
 readonly body: ReadableStream<Uint8Array<ArrayBuffer>> | null;
 readonly bodyUsed: boolean;
 arrayBuffer(): Promise<ArrayBuffer>;
 blob(): Promise<Blob>;
 bytes(): Promise<Uint8Array<ArrayBuffer>>;
 formData(): Promise<FormData>;
 json(): Promise<any>;
 text(): Promise<string>;
 textStream(): ReadableStream<string>;
}
type HeadersInit = Iterable<string[]> | Record<string, string>;
interface Headers extends DomIterable<string, string> {
 append(name: string, value: string): void;
 delete(name: string): void;
 get(name: string): string | null;
 has(name: string): boolean;
 set(name: string, value: string): void;
 getSetCookie(): string[];
}
declare var Headers: {
 readonly prototype: Headers;
 new (init?: HeadersInit): Headers;
};
type RequestInfo = Request | string;
type RequestCache = "default" | "force-cache" | "no-cache" | "no-store" | "only-if-cached" | "reload";
type RequestCredentials = "include" | "omit" | "same-origin";
type RequestMode = "cors" | "navigate" | "no-cors" | "same-origin";
type RequestRedirect = "error" | "follow" | "manual";
type RequestPriority = "auto" | "high" | "low";
type ReferrerPolicy = "" | "no-referrer" | "no-referrer-when-downgrade" | "origin" | "origin-when-cross-origin" | "same-origin" | "strict-origin" | "strict-origin-when-cross-origin" | "unsafe-url";
type BodyInit = Blob | BufferSource | FormData | URLSearchParams | ReadableStream<Uint8Array> | Iterable<Uint8Array> | AsyncIterable<Uint8Array> | string;
interface RequestInit {
 body?: BodyInit | null;
 cache?: RequestCache;
 credentials?: RequestCredentials;
 headers?: HeadersInit;
 integrity?: string;
 keepalive?: boolean;
 method?: string;
 mode?: RequestMode;
 priority?: RequestPriority;
 redirect?: RequestRedirect;
 referrer?: string;
 referrerPolicy?: ReferrerPolicy;
 signal?: AbortSignal | null;
 window?: any;
}
interface Request extends Body {
 readonly cache: RequestCache;
 readonly credentials: RequestCredentials;
 readonly headers: Headers;
 readonly integrity: string;
 readonly keepalive: boolean;
 readonly method: string;
 readonly mode: RequestMode;
 readonly redirect: RequestRedirect;
 readonly referrer: string;
 readonly referrerPolicy: ReferrerPolicy;
 readonly signal: AbortSignal;
 readonly url: string;
 clone(): Request;
}
declare var Request: {
 readonly prototype: Request;
 new (input: RequestInfo | URL, init?: RequestInit): Request;
};
interface ResponseInit {
 headers?: HeadersInit;
 status?: number;
 statusText?: string;
}
type ResponseType = "basic" | "cors" | "default" | "error" | "opaque" | "opaqueredirect";
interface Response extends Body {
 readonly headers: Headers;
 readonly ok: boolean;
 readonly redirected: boolean;
 readonly status: number;
 readonly statusText: string;
 readonly type: ResponseType;
 readonly url: string;
 clone(): Response;
}
declare var Response: {
 readonly prototype: Response;
 new (body?: BodyInit | null, init?: ResponseInit): Response;
 json(data: unknown, init?: ResponseInit): Response;
 error(): Response;
 redirect(url: string | URL, status?: number): Response;
};
declare function fetch(input: RequestInfo | URL, init?: RequestInit): Promise<Response>;
interface EventSourceInit {
 withCredentials?: boolean;
 headers?: HeadersInit;
}
interface EventSourceEventMap {
 "error": Event;
 "message": MessageEvent;
 "open": Event;
}
interface EventSource extends EventTarget {
 onerror: ((this: EventSource, ev: Event) => any) | null;
 onmessage: ((this: EventSource, ev: MessageEvent) => any) | null;
 onopen: ((this: EventSource, ev: Event) => any) | null;
 readonly readyState: number;
 readonly url: string;
 readonly withCredentials: boolean;
 close(): void;
 readonly CONNECTING: 0;
 readonly OPEN: 1;
 readonly CLOSED: 2;
 addEventListener<K extends keyof EventSourceEventMap>(type: K, listener: (this: EventSource, ev: EventSourceEventMap[K]) => any, options?: boolean | AddEventListenerOptions): void;
 addEventListener(type: string, listener: (this: EventSource, event: MessageEvent) => any, options?: boolean | AddEventListenerOptions): void;
 addEventListener(type: string, listener: EventListenerOrEventListenerObject, options?: boolean | AddEventListenerOptions): void;
 removeEventListener<K extends keyof EventSourceEventMap>(type: K, listener: (this: EventSource, ev: EventSourceEventMap[K]) => any, options?: boolean | EventListenerOptions): void;
 removeEventListener(type: string, listener: (this: EventSource, event: MessageEvent) => any, options?: boolean | EventListenerOptions): void;
 removeEventListener(type: string, listener: EventListenerOrEventListenerObject, options?: boolean | EventListenerOptions): void;
}
declare var EventSource: {
 prototype: EventSource;
 new (url: string | URL, eventSourceInitDict?: EventSourceInit): EventSource;
 readonly CONNECTING: 0;
 readonly OPEN: 1;
 readonly CLOSED: 2;
};
interface CloseEventInit extends EventInit {
 code?: number;
 reason?: string;
 wasClean?: boolean;
}
interface CloseEvent extends Event {
 readonly code: number;
 readonly reason: string;
 readonly wasClean: boolean;
}
declare var CloseEvent: {
 readonly prototype: CloseEvent;
 new (type: string, eventInitDict?: CloseEventInit): CloseEvent;
};
declare var crypto: Crypto;
interface Algorithm {
 name: string;
}
interface KeyAlgorithm {
 name: string;
}
type AlgorithmIdentifier = string | Algorithm;
type HashAlgorithmIdentifier = AlgorithmIdentifier;
type KeyType = "private" | "public" | "secret";
type KeyUsage = "decrypt" | "deriveBits" | "deriveKey" | "encrypt" | "sign" | "unwrapKey" | "verify" | "wrapKey";
type KeyFormat = "jwk" | "pkcs8" | "raw" | "raw-secret" | "raw-public" | "raw-private" | "raw-seed" | "spki";
type NamedCurve = string;
type BigInteger = Uint8Array<ArrayBuffer>;
interface RsaOtherPrimesInfo {
 d?: string;
 r?: string;
 t?: string;
}
interface JsonWebKey {
 alg?: string;
 crv?: string;
 d?: string;
 dp?: string;
 dq?: string;
 e?: string;
 ext?: boolean;
 k?: string;
 key_ops?: string[];
 kty?: string;
 n?: string;
 oth?: RsaOtherPrimesInfo[];
 p?: string;
 q?: string;
 qi?: string;
 use?: string;
 x?: string;
 y?: string;
}
interface AesCbcParams extends Algorithm {
 iv: BufferSource;
}
interface AesGcmParams extends Algorithm {
 iv: BufferSource;
 additionalData?: BufferSource;
 tagLength?: number;
}
interface AesCtrParams extends Algorithm {
 counter: BufferSource;
 length: number;
}
interface HmacKeyGenParams extends Algorithm {
 hash: HashAlgorithmIdentifier;
 length?: number;
}
interface EcKeyGenParams extends Algorithm {
 namedCurve: NamedCurve;
}
interface EcKeyImportParams extends Algorithm {
 namedCurve: NamedCurve;
}
interface EcdsaParams extends Algorithm {
 hash: HashAlgorithmIdentifier;
}
interface RsaHashedImportParams extends Algorithm {
 hash: HashAlgorithmIdentifier;
}
interface RsaHashedKeyGenParams extends RsaKeyGenParams {
 hash: HashAlgorithmIdentifier;
}
interface RsaKeyGenParams extends Algorithm {
 modulusLength: number;
 publicExponent: BigInteger;
}
interface RsaPssParams extends Algorithm {
 saltLength: number;
}
interface RsaOaepParams extends Algorithm {
 label?: BufferSource;
}
interface HmacImportParams extends Algorithm {
 hash: HashAlgorithmIdentifier;
 length?: number;
}
interface HkdfParams extends Algorithm {
 hash: HashAlgorithmIdentifier;
 info: BufferSource;
 salt: BufferSource;
}
interface Pbkdf2Params extends Algorithm {
 hash: HashAlgorithmIdentifier;
 iterations: number;
 salt: BufferSource;
}
interface AesDerivedKeyParams extends Algorithm {
 length: number;
}
interface EcdhKeyDeriveParams extends Algorithm {
 public: CryptoKey;
}
interface AesKeyGenParams extends Algorithm {
 length: number;
}
interface CryptoKey {
 readonly algorithm: KeyAlgorithm;
 readonly extractable: boolean;
 readonly type: KeyType;
 readonly usages: KeyUsage[];
}
declare var CryptoKey: {
 readonly prototype: CryptoKey;
 new (): never;
};
interface CryptoKeyPair {
 privateKey: CryptoKey;
 publicKey: CryptoKey;
}
interface SubtleCrypto {
 generateKey(algorithm: RsaHashedKeyGenParams | EcKeyGenParams, extractable: boolean, keyUsages: KeyUsage[]): Promise<CryptoKeyPair>;
 generateKey(algorithm: AesKeyGenParams | HmacKeyGenParams, extractable: boolean, keyUsages: KeyUsage[]): Promise<CryptoKey>;
 generateKey(algorithm: AlgorithmIdentifier, extractable: boolean, keyUsages: KeyUsage[]): Promise<CryptoKeyPair | CryptoKey>;
 importKey(format: "jwk", keyData: JsonWebKey, algorithm: AlgorithmIdentifier | HmacImportParams | RsaHashedImportParams | EcKeyImportParams, extractable: boolean, keyUsages: KeyUsage[]): Promise<CryptoKey>;
 importKey(format: Exclude<KeyFormat, "jwk">, keyData: BufferSource, algorithm: AlgorithmIdentifier | HmacImportParams | RsaHashedImportParams | EcKeyImportParams, extractable: boolean, keyUsages: KeyUsage[]): Promise<CryptoKey>;
 exportKey(format: "jwk", key: CryptoKey): Promise<JsonWebKey>;
 exportKey(format: Exclude<KeyFormat, "jwk">, key: CryptoKey): Promise<ArrayBuffer>;
 sign(algorithm: AlgorithmIdentifier | RsaPssParams | EcdsaParams, key: CryptoKey, data: BufferSource): Promise<ArrayBuffer>;
 verify(algorithm: AlgorithmIdentifier | RsaPssParams | EcdsaParams, key: CryptoKey, signature: BufferSource, data: BufferSource): Promise<boolean>;
 digest(algorithm: AlgorithmIdentifier, data: BufferSource): Promise<ArrayBuffer>;
 encrypt(algorithm: AlgorithmIdentifier | RsaOaepParams | AesCbcParams | AesGcmParams | AesCtrParams, key: CryptoKey, data: BufferSource): Promise<ArrayBuffer>;
 decrypt(algorithm: AlgorithmIdentifier | RsaOaepParams | AesCbcParams | AesGcmParams | AesCtrParams, key: CryptoKey, data: BufferSource): Promise<ArrayBuffer>;
 deriveBits(algorithm: AlgorithmIdentifier | HkdfParams | Pbkdf2Params | EcdhKeyDeriveParams, baseKey: CryptoKey, length: number): Promise<ArrayBuffer>;
 deriveKey(algorithm: AlgorithmIdentifier | HkdfParams | Pbkdf2Params | EcdhKeyDeriveParams, baseKey: CryptoKey, derivedKeyType: AlgorithmIdentifier | AesDerivedKeyParams | HmacImportParams | HkdfParams | Pbkdf2Params, extractable: boolean, keyUsages: KeyUsage[]): Promise<CryptoKey>;
 wrapKey(format: KeyFormat, key: CryptoKey, wrappingKey: CryptoKey, wrapAlgorithm: AlgorithmIdentifier | RsaOaepParams | AesCbcParams | AesCtrParams): Promise<ArrayBuffer>;
 unwrapKey(format: KeyFormat, wrappedKey: BufferSource, unwrappingKey: CryptoKey, unwrapAlgorithm: AlgorithmIdentifier | RsaOaepParams | AesCbcParams | AesCtrParams, unwrappedKeyAlgorithm: AlgorithmIdentifier | HmacImportParams | RsaHashedImportParams | EcKeyImportParams, extractable: boolean, keyUsages: KeyUsage[]): Promise<CryptoKey>;
}
declare var SubtleCrypto: {
 readonly prototype: SubtleCrypto;
 new (): never;
 supports(operation: "encrypt" | "decrypt" | "sign" | "verify" | "digest" | "generateKey" | "deriveKey" | "deriveBits" | "importKey" | "exportKey" | "wrapKey" | "unwrapKey" | "encapsulateKey" | "encapsulateBits" | "decapsulateKey" | "decapsulateBits" | "getPublicKey", algorithm: string | object, lengthOrHash?: number | string | object | null): boolean;
};
interface Crypto {
 readonly subtle: SubtleCrypto;
 getRandomValues<T extends ArrayBufferView>(array: T): T;
 randomUUID(): `${string}-${string}-${string}-${string}-${string}`;
}
declare var Crypto: {
 readonly prototype: Crypto;
 new (): never;
};
declare namespace WebAssembly {
 export class CompileError extends Error {
  constructor(message?: string, options?: ErrorOptions);
 }
 export class Global {
  constructor(descriptor: GlobalDescriptor, v?: any);
  value: any;
  valueOf(): any;
 }
 export class Instance {
  constructor(module: Module, importObject?: Imports);
  readonly exports: Exports;
 }
 export class LinkError extends Error {
  constructor(message?: string, options?: ErrorOptions);
 }
 export class Memory {
  constructor(descriptor: MemoryDescriptor);
  readonly buffer: ArrayBuffer | SharedArrayBuffer;
  grow(delta: number): number;
 }
 export class Module {
  constructor(bytes: BufferSource);
  static customSections(moduleObject: Module, sectionName: string): ArrayBuffer[];
  static exports(moduleObject: Module): ModuleExportDescriptor[];
  static imports(moduleObject: Module): ModuleImportDescriptor[];
 }
 export class RuntimeError extends Error {
  constructor(message?: string, options?: ErrorOptions);
 }
 export class Table {
  constructor(descriptor: TableDescriptor);
  readonly length: number;
  get(index: number): Function | null;
  grow(delta: number): number;
  set(index: number, value: Function | null): void;
 }
 export interface GlobalDescriptor {
  mutable?: boolean;
  value: ValueType;
 }
 export interface MemoryDescriptor {
  initial: number;
  maximum?: number;
  shared?: boolean;
 }
 export interface ModuleExportDescriptor {
  kind: ImportExportKind;
  name: string;
 }
 export interface ModuleImportDescriptor {
  kind: ImportExportKind;
  module: string;
  name: string;
 }
 export interface TableDescriptor {
  element: TableKind;
  initial: number;
  maximum?: number;
 }
 export interface WebAssemblyInstantiatedSource {
  instance: Instance;
  module: Module;
 }
 export type ImportExportKind = "function" | "global" | "memory" | "table";
 export type TableKind = "anyfunc";
 export type ValueType = "f32" | "f64" | "i32" | "i64";
 export type ExportValue = Function | Global | Memory | Table;
 export type Exports = Record<string, ExportValue>;
 export type ImportValue = ExportValue | number;
 export type ModuleImports = Record<string, ImportValue>;
 export type Imports = Record<string, ModuleImports>;
 export function compile(bytes: BufferSource): Promise<Module>;
 export function compileStreaming(source: Response | Promise<Response>): Promise<Module>;
 export function instantiate(bytes: BufferSource, importObject?: Imports): Promise<WebAssemblyInstantiatedSource>;
 export function instantiate(moduleObject: Module, importObject?: Imports): Promise<Instance>;
 export function instantiateStreaming(response: Response | PromiseLike<Response>, importObject?: Imports): Promise<WebAssemblyInstantiatedSource>;
 export function validate(bytes: BufferSource): boolean;
}
interface VoidFunction {
 (): void;
}
declare function queueMicrotask(func: VoidFunction): void;
declare function dispatchEvent(event: Event): boolean;
declare var console: Console;
type BufferSource = ArrayBufferView<ArrayBuffer> | ArrayBuffer;
type AllowSharedBufferSource = ArrayBufferView | ArrayBufferLike;
interface ErrorEventInit extends EventInit {
 message?: string;
 filename?: string;
 lineno?: number;
 colno?: number;
 error?: any;
}
interface ErrorEvent extends Event {
 readonly message: string;
 readonly filename: string;
 readonly lineno: number;
 readonly colno: number;
 readonly error: any;
}
declare var ErrorEvent: {
 readonly prototype: ErrorEvent;
 new (type: string, eventInitDict?: ErrorEventInit): ErrorEvent;
};
interface PromiseRejectionEventInit extends EventInit {
 promise: Promise<any>;
 reason?: any;
}
interface PromiseRejectionEvent extends Event {
 readonly promise: Promise<any>;
 readonly reason: any;
}
declare var PromiseRejectionEvent: {
 readonly prototype: PromiseRejectionEvent;
 new (type: string, eventInitDict?: PromiseRejectionEventInit): PromiseRejectionEvent;
};
type PerformanceEntryList = PerformanceEntry[];
interface Performance extends EventTarget {
 readonly timeOrigin: number;
 clearMarks(markName?: string): void;
 clearMeasures(measureName?: string): void;
 clearResourceTimings(): void;
 setResourceTimingBufferSize(maxSize: number): void;
 getEntries(): PerformanceEntryList;
 getEntriesByName(name: string, type?: string): PerformanceEntryList;
 getEntriesByType(type: string): PerformanceEntryList;
 mark(markName: string, options?: PerformanceMarkOptions): PerformanceMark;
 measure(measureName: string, options?: PerformanceMeasureOptions): PerformanceMeasure;
 measure(measureName: string, startMark?: string, endMark?: string): PerformanceMeasure;
 now(): number;
 toJSON(): any;
}
declare var Performance: {
 readonly prototype: Performance;
 new (): never;
};
declare var performance: Performance;
interface PerformanceEntry {
 readonly duration: number;
 readonly entryType: string;
 readonly name: string;
 readonly startTime: number;
 toJSON(): any;
}
declare var PerformanceEntry: {
 readonly prototype: PerformanceEntry;
 new (): never;
};
interface PerformanceMark extends PerformanceEntry {
 readonly detail: any;
 readonly entryType: "mark";
}
declare var PerformanceMark: {
 readonly prototype: PerformanceMark;
 new (name: string, options?: PerformanceMarkOptions): PerformanceMark;
};
interface PerformanceMeasure extends PerformanceEntry {
 readonly detail: any;
 readonly entryType: "measure";
}
declare var PerformanceMeasure: {
 readonly prototype: PerformanceMeasure;
 new (): never;
};
interface PerformanceObserverEntryList {
 getEntries(): PerformanceEntry[];
 getEntriesByName(name: string, type?: string): PerformanceEntry[];
 getEntriesByType(type: string): PerformanceEntry[];
}
declare var PerformanceObserverEntryList: {
 readonly prototype: PerformanceObserverEntryList;
 new (): never;
};
interface PerformanceObserverCallback {
 (list: PerformanceObserverEntryList, observer: PerformanceObserver): void;
}
interface PerformanceObserver {
 disconnect(): void;
 observe(options?: {
  entryTypes?: string[];
  type?: string;
  buffered?: boolean;
 }): void;
 takeRecords(): PerformanceEntry[];
}
declare var PerformanceObserver: {
 readonly prototype: PerformanceObserver;
 readonly supportedEntryTypes: readonly string[];
 new (callback: PerformanceObserverCallback): PerformanceObserver;
};
interface CustomEventInit<T = any> extends EventInit {
 detail?: T;
}
interface CustomEvent<T = any> extends Event {
 readonly detail: T;
}
declare var CustomEvent: {
 readonly prototype: CustomEvent;
 new <T>(typeArg: string, eventInitDict?: CustomEventInit<T>): CustomEvent<T>;
};
interface ErrorConstructor {
 captureStackTrace(error: Object, constructor?: Function): void;
 stackTraceLimit: number;
}
interface WindowEventMap {
 "error": ErrorEvent;
 "unhandledrejection": PromiseRejectionEvent;
 "rejectionhandled": PromiseRejectionEvent;
}
declare var onerror: ((this: Window, ev: ErrorEvent) => any) | null;
declare var onunhandledrejection: ((this: Window, ev: PromiseRejectionEvent) => any) | null;
interface Navigator {
 readonly hardwareConcurrency: number;
 readonly userAgent: string;
 readonly language: string;
 readonly languages: string[];
 readonly platform: string;
}
declare var Navigator: {
 readonly prototype: Navigator;
 new (): never;
};
declare var navigator: Navigator;
declare function alert(message?: string): void;
declare function confirm(message?: string): boolean;
declare function prompt(message?: string, defaultValue?: string): string | null;
declare function addEventListener<K extends keyof WindowEventMap>(type: K, listener: (this: Window, ev: WindowEventMap[K]) => any, options?: boolean | AddEventListenerOptions): void;
declare function addEventListener(type: string, listener: EventListenerOrEventListenerObject, options?: boolean | AddEventListenerOptions): void;
declare function removeEventListener<K extends keyof WindowEventMap>(type: K, listener: (this: Window, ev: WindowEventMap[K]) => any, options?: boolean | EventListenerOptions): void;
declare function removeEventListener(type: string, listener: EventListenerOrEventListenerObject, options?: boolean | EventListenerOptions): void;
interface Uint8Array {
 toBase64(options?: {
  alphabet?: "base64" | "base64url";
  omitPadding?: boolean;
 }): string;
 setFromBase64(string: string, options?: {
  alphabet?: "base64" | "base64url";
  lastChunkHandling?: "loose" | "strict" | "stop-before-partial";
 }): {
  read: number;
  written: number;
 };
 toHex(): string;
 setFromHex(string: string): {
  read: number;
  written: number;
 };
}
interface Uint8ArrayConstructor {
 fromBase64(string: string, options?: {
  alphabet?: "base64" | "base64url";
  lastChunkHandling?: "loose" | "strict" | "stop-before-partial";
 }): Uint8Array<ArrayBuffer>;
 fromHex(string: string): Uint8Array<ArrayBuffer>;
}
declare namespace Deno {
export namespace errors {
 export class NotFound extends Error {
 }
 export class PermissionDenied extends Error {
 }
 export class ConnectionRefused extends Error {
 }
 export class ConnectionReset extends Error {
 }
 export class ConnectionAborted extends Error {
 }
 export class NotConnected extends Error {
 }
 export class AddrInUse extends Error {
 }
 export class AddrNotAvailable extends Error {
 }
 export class BrokenPipe extends Error {
 }
 export class AlreadyExists extends Error {
 }
 export class InvalidData extends Error {
 }
 export class TimedOut extends Error {
 }
 export class Interrupted extends Error {
 }
 export class WouldBlock extends Error {
 }
 export class WriteZero extends Error {
 }
 export class UnexpectedEof extends Error {
 }
 export class BadResource extends Error {
 }
 export class Http extends Error {
 }
 export class Busy extends Error {
 }
 export class NotSupported extends Error {
 }
 export class FilesystemLoop extends Error {
 }
 export class IsADirectory extends Error {
 }
 export class NetworkUnreachable extends Error {
 }
 export class NotADirectory extends Error {
 }
 export class NotCapable extends Error {
 }
 export {};
}
export const pid: number;
export const noColor: boolean;
export function exit(code?: number): never;
export var exitCode: number;
export interface Env {
 get(key: string): string | undefined;
 set(key: string, value: string): void;
 delete(key: string): void;
 has(key: string): boolean;
 toObject(): {
  [index: string]: string;
 };
}
export const env: Env;
export function chdir(directory: string | URL): void;
export function cwd(): string;
export function link(oldpath: string, newpath: string): Promise<void>;
export function linkSync(oldpath: string, newpath: string): void;
export enum SeekMode {
 Start = 0,
 Current = 1,
 End = 2
}
export function open(path: string | URL, options?: OpenOptions): Promise<FsFile>;
export function openSync(path: string | URL, options?: OpenOptions): FsFile;
export function create(path: string | URL): Promise<FsFile>;
export function createSync(path: string | URL): FsFile;
export class FsFile implements Disposable {
 readonly readable: ReadableStream<Uint8Array<ArrayBuffer>>;
 readonly writable: WritableStream<Uint8Array<ArrayBufferLike>>;
 write(p: Uint8Array): Promise<number>;
 writeSync(p: Uint8Array): number;
 truncate(len?: number): Promise<void>;
 truncateSync(len?: number): void;
 read(p: Uint8Array): Promise<number | null>;
 readSync(p: Uint8Array): number | null;
 seek(offset: number | bigint, whence: SeekMode): Promise<number>;
 seekSync(offset: number | bigint, whence: SeekMode): number;
 stat(): Promise<FileInfo>;
 statSync(): FileInfo;
 sync(): Promise<void>;
 syncSync(): void;
 syncData(): Promise<void>;
 syncDataSync(): void;
 utime(atime: number | Date, mtime: number | Date): Promise<void>;
 utimeSync(atime: number | Date, mtime: number | Date): void;
 isTerminal(): boolean;
 setRaw(mode: boolean, options?: SetRawOptions): void;
 lock(exclusive?: boolean): Promise<void>;
 lockSync(exclusive?: boolean): void;
 tryLock(exclusive?: boolean): Promise<boolean>;
 tryLockSync(exclusive?: boolean): boolean;
 unlock(): Promise<void>;
 unlockSync(): void;
 close(): void;
 [Symbol.dispose](): void;
}
export interface SetRawOptions {
 cbreak: boolean;
}
export const stdin: {
 read(p: Uint8Array): Promise<number | null>;
 readSync(p: Uint8Array): number | null;
 close(): void;
 readonly readable: ReadableStream<Uint8Array<ArrayBuffer>>;
 setRaw(mode: boolean, options?: SetRawOptions): void;
 isTerminal(): boolean;
};
export const stdout: {
 write(p: Uint8Array): Promise<number>;
 writeSync(p: Uint8Array): number;
 close(): void;
 readonly writable: WritableStream<Uint8Array<ArrayBufferLike>>;
 isTerminal(): boolean;
};
export const stderr: {
 write(p: Uint8Array): Promise<number>;
 writeSync(p: Uint8Array): number;
 close(): void;
 readonly writable: WritableStream<Uint8Array<ArrayBufferLike>>;
 isTerminal(): boolean;
};
export interface OpenOptions {
 read?: boolean;
 write?: boolean;
 append?: boolean;
 truncate?: boolean;
 create?: boolean;
 createNew?: boolean;
 mode?: number;
}
export interface ReadFileOptions {
 signal?: AbortSignal;
}
export interface MkdirOptions {
 recursive?: boolean;
 mode?: number;
}
export function mkdir(path: string | URL, options?: MkdirOptions): Promise<void>;
export function mkdirSync(path: string | URL, options?: MkdirOptions): void;
export interface MakeTempOptions {
 dir?: string;
 prefix?: string;
 suffix?: string;
}
export function makeTempDir(options?: MakeTempOptions): Promise<string>;
export function makeTempDirSync(options?: MakeTempOptions): string;
export function makeTempFile(options?: MakeTempOptions): Promise<string>;
export function makeTempFileSync(options?: MakeTempOptions): string;
export function chmod(path: string | URL, mode: number): Promise<void>;
export function chmodSync(path: string | URL, mode: number): void;
export interface RemoveOptions {
 recursive?: boolean;
}
export function remove(path: string | URL, options?: RemoveOptions): Promise<void>;
export function removeSync(path: string | URL, options?: RemoveOptions): void;
export function renameSync(oldpath: string | URL, newpath: string | URL): void;
export function rename(oldpath: string | URL, newpath: string | URL): Promise<void>;
export function readTextFile(path: string | URL, options?: ReadFileOptions): Promise<string>;
export function readTextFileSync(path: string | URL): string;
export function readFile(path: string | URL, options?: ReadFileOptions): Promise<Uint8Array<ArrayBuffer>>;
export function readFileSync(path: string | URL): Uint8Array<ArrayBuffer>;
export interface FileInfo {
 isFile: boolean;
 isDirectory: boolean;
 isSymlink: boolean;
 size: number;
 mtime: Date | null;
 atime: Date | null;
 birthtime: Date | null;
 ctime: Date | null;
 dev: number;
 ino: number | null;
 mode: number | null;
 nlink: number | null;
 uid: number | null;
 gid: number | null;
 rdev: number | null;
 blksize: number | null;
 blocks: number | null;
 isBlockDevice: boolean | null;
 isCharDevice: boolean | null;
 isFifo: boolean | null;
 isSocket: boolean | null;
}
export function realPath(path: string | URL): Promise<string>;
export function realPathSync(path: string | URL): string;
export interface DirEntry {
 name: string;
 isFile: boolean;
 isDirectory: boolean;
 isSymlink: boolean;
}
export function readDir(path: string | URL): AsyncIterable<DirEntry>;
export function readDirSync(path: string | URL): IteratorObject<DirEntry>;
export function copyFile(fromPath: string | URL, toPath: string | URL): Promise<void>;
export function copyFileSync(fromPath: string | URL, toPath: string | URL): void;
export function readLink(path: string | URL): Promise<string>;
export function readLinkSync(path: string | URL): string;
export function lstat(path: string | URL): Promise<FileInfo>;
export function lstatSync(path: string | URL): FileInfo;
export function stat(path: string | URL): Promise<FileInfo>;
export function statSync(path: string | URL): FileInfo;
export interface WriteFileOptions {
 append?: boolean;
 create?: boolean;
 createNew?: boolean;
 mode?: number;
 signal?: AbortSignal;
}
export function writeFile(path: string | URL, data: Uint8Array | ReadableStream<Uint8Array>, options?: WriteFileOptions): Promise<void>;
export function writeFileSync(path: string | URL, data: Uint8Array, options?: WriteFileOptions): void;
export function writeTextFile(path: string | URL, data: string | ReadableStream<string>, options?: WriteFileOptions): Promise<void>;
export function writeTextFileSync(path: string | URL, data: string, options?: WriteFileOptions): void;
export function truncate(name: string, len?: number): Promise<void>;
export function truncateSync(name: string, len?: number): void;
export type Signal = "SIGABRT" | "SIGALRM" | "SIGBREAK" | "SIGBUS" | "SIGCHLD" | "SIGCONT" | "SIGEMT" | "SIGFPE" | "SIGHUP" | "SIGILL" | "SIGINFO" | "SIGINT" | "SIGIO" | "SIGPOLL" | "SIGUNUSED" | "SIGKILL" | "SIGPIPE" | "SIGPROF" | "SIGPWR" | "SIGQUIT" | "SIGSEGV" | "SIGSTKFLT" | "SIGSTOP" | "SIGSYS" | "SIGTERM" | "SIGTRAP" | "SIGTSTP" | "SIGTTIN" | "SIGTTOU" | "SIGURG" | "SIGUSR1" | "SIGUSR2" | "SIGVTALRM" | "SIGWINCH" | "SIGXCPU" | "SIGXFSZ";
export function addSignalListener(signal: Signal, handler: () => void): void;
export function removeSignalListener(signal: Signal, handler: () => void): void;
export class Command {
 constructor(command: string | URL, options?: CommandOptions);
 output(): Promise<CommandOutput>;
 outputSync(): CommandOutput;
 spawn(): ChildProcess;
}
export class ChildProcess implements AsyncDisposable {
 get stdin(): WritableStream<Uint8Array<ArrayBufferLike>>;
 get stdout(): SubprocessReadableStream;
 get stderr(): SubprocessReadableStream;
 readonly pid: number;
 readonly status: Promise<CommandStatus>;
 output(): Promise<CommandOutput>;
 kill(signo?: Signal | number): void;
 ref(): void;
 unref(): void;
 [Symbol.asyncDispose](): Promise<void>;
}
export interface SubprocessReadableStream extends ReadableStream<Uint8Array<ArrayBuffer>> {
 arrayBuffer(): Promise<ArrayBuffer>;
 bytes(): Promise<Uint8Array<ArrayBuffer>>;
 json(): Promise<any>;
 text(): Promise<string>;
}
export interface CommandOptions {
 args?: string[];
 cwd?: string | URL;
 clearEnv?: boolean;
 env?: Record<string, string>;
 uid?: number;
 gid?: number;
 signal?: AbortSignal;
 stdin?: "piped" | "inherit" | "null";
 stdout?: "piped" | "inherit" | "null";
 stderr?: "piped" | "inherit" | "null";
 windowsRawArguments?: boolean;
 detached?: boolean;
}
export interface CommandStatus {
 success: boolean;
 code: number;
 signal: Signal | null;
}
export interface CommandOutput extends CommandStatus {
 readonly stdout: Uint8Array<ArrayBuffer>;
 readonly stderr: Uint8Array<ArrayBuffer>;
}
export interface InspectOptions {
 colors?: boolean;
 compact?: boolean;
 depth?: number;
 breakLength?: number;
 escapeSequences?: boolean;
 iterableLimit?: number;
 showProxy?: boolean;
 sorted?: boolean;
 trailingComma?: boolean;
 getters?: boolean;
 showHidden?: boolean;
 strAbbreviateSize?: number;
}
export function inspect(value: unknown, options?: InspectOptions): string;
export type PermissionState = "granted" | "denied" | "prompt";
export interface RunPermissionDescriptor {
 name: "run";
 command?: string | URL;
}
export interface ReadPermissionDescriptor {
 name: "read";
 path?: string | URL;
}
export interface WritePermissionDescriptor {
 name: "write";
 path?: string | URL;
}
export interface NetPermissionDescriptor {
 name: "net";
 host?: string;
}
export interface EnvPermissionDescriptor {
 name: "env";
 variable?: string;
}
export interface SysPermissionDescriptor {
 name: "sys";
 kind?: "loadavg" | "hostname" | "systemMemoryInfo" | "networkInterfaces" | "osRelease" | "osUptime" | "uid" | "gid" | "username" | "cpus" | "homedir" | "statfs" | "getPriority" | "setPriority" | "ca" | "umask";
}
export interface FfiPermissionDescriptor {
 name: "ffi";
 path?: string | URL;
}
export interface ImportPermissionDescriptor {
 name: "import";
 host?: string;
}
export type PermissionDescriptor = RunPermissionDescriptor | ReadPermissionDescriptor | WritePermissionDescriptor | NetPermissionDescriptor | EnvPermissionDescriptor | SysPermissionDescriptor | FfiPermissionDescriptor | ImportPermissionDescriptor;
export interface PermissionStatusEventMap {
 change: Event;
}
export class PermissionStatus extends EventTarget {
 onchange: ((this: PermissionStatus, ev: Event) => any) | null;
 readonly state: PermissionState;
 readonly partial: boolean;
 addEventListener<K extends keyof PermissionStatusEventMap>(type: K, listener: (this: PermissionStatus, ev: PermissionStatusEventMap[K]) => any, options?: boolean | AddEventListenerOptions): void;
 addEventListener(type: string, listener: EventListenerOrEventListenerObject, options?: boolean | AddEventListenerOptions): void;
 removeEventListener<K extends keyof PermissionStatusEventMap>(type: K, listener: (this: PermissionStatus, ev: PermissionStatusEventMap[K]) => any, options?: boolean | EventListenerOptions): void;
 removeEventListener(type: string, listener: EventListenerOrEventListenerObject, options?: boolean | EventListenerOptions): void;
}
export class Permissions {
 query(desc: PermissionDescriptor): Promise<PermissionStatus>;
 querySync(desc: PermissionDescriptor): PermissionStatus;
 revoke(desc: PermissionDescriptor): Promise<PermissionStatus>;
 revokeSync(desc: PermissionDescriptor): PermissionStatus;
 request(desc: PermissionDescriptor): Promise<PermissionStatus>;
 requestSync(desc: PermissionDescriptor): PermissionStatus;
}
export const permissions: Permissions;
export const build: {
 target: string;
 arch: "x86_64" | "aarch64";
 os: "darwin" | "linux" | "android" | "windows" | "freebsd" | "netbsd" | "aix" | "solaris" | "illumos";
 standalone: boolean;
 vendor: string;
 env?: string;
};
export const version: {
 deno: string;
 v8: string;
 typescript: string;
};
export const args: string[];
export const mainModule: string;
export interface SymlinkOptions {
 type: "file" | "dir" | "junction";
}
export function symlink(oldpath: string | URL, newpath: string | URL, options?: SymlinkOptions): Promise<void>;
export function symlinkSync(oldpath: string | URL, newpath: string | URL, options?: SymlinkOptions): void;
export function utimeSync(path: string | URL, atime: number | Date, mtime: number | Date): void;
export function utime(path: string | URL, atime: number | Date, mtime: number | Date): Promise<void>;
export function refTimer(id: number): void;
export function unrefTimer(id: number): void;
}
