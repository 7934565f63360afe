//! Streams of the web platform.

use serde_json::json;

use super::runtimes::value;

#[test]
fn a_transform_changes_what_passes() {
    let source = "
        const double = new TransformStream<number, number>({
          transform(n, controller) { controller.enqueue(n * 2) },
        });
        const source = new ReadableStream<number>({
          start(controller) { controller.enqueue(1); controller.enqueue(2); controller.close() },
        });
        const doubled = [];
        for await (const n of source.pipeThrough(double)) doubled.push(n);
        doubled";
    assert_eq!(value(source), json!([2, 4]));
}

#[test]
fn bytes_are_read_into_a_buffer_of_the_readers() {
    let source = "
        const bytes = new ReadableStream({
          type: 'bytes',
          pull(controller) { controller.enqueue(new Uint8Array([1, 2, 3])); controller.close() },
        });
        const { value } = await bytes.getReader({ mode: 'byob' }).read(new Uint8Array(2));
        value";
    assert_eq!(value(source), json!([1, 2]));
}

#[test]
fn a_writer_waits_for_its_sink() {
    let source = "
        const written: string[] = [];
        const strategy = new CountQueuingStrategy({ highWaterMark: 2 });
        const writer = new WritableStream<string>({
          async write(s) { await null; written.push(s) },
        }, strategy).getWriter();
        writer.write('a');
        await writer.write('b');
        await writer.close();
        written";
    assert_eq!(value(source), json!(["a", "b"]));
}

#[test]
fn text_streams_encode_and_decode_across_chunks() {
    let source = "
        const text = ReadableStream.from(['h', 'é', 'llo'])
          .pipeThrough(new TextEncoderStream())
          .pipeThrough(new TransformStream<Uint8Array, Uint8Array>({
            transform(bytes, c) { for (const byte of bytes) c.enqueue(new Uint8Array([byte])) },
          }))
          .pipeThrough(new TextDecoderStream());
        let all = '';
        for await (const chunk of text) all += chunk;
        all";
    assert_eq!(value(source), "héllo");
}

#[test]
fn compression_goes_there_and_back() {
    let source = "
        const text = 'hello '.repeat(1000), found: any = {};
        for (const format of ['gzip', 'deflate', 'deflate-raw'] as const) {
          const packed = new Blob([text]).stream().pipeThrough(new CompressionStream(format));
          const [one, two] = packed.tee();
          let size = 0, back = '';
          for await (const chunk of one) size += chunk.length;
          const unpacked = two.pipeThrough(new DecompressionStream(format));
          for await (const chunk of unpacked.pipeThrough(new TextDecoderStream())) back += chunk;
          found[format] = [size < 100, back === text];
        }
        found";
    assert_eq!(
        value(source),
        json!({ "gzip": [true, true], "deflate": [true, true], "deflate-raw": [true, true] })
    );
}

#[test]
fn broken_compressed_data_is_an_error() {
    let source = "
        const broken = new Blob(['no gzip']).stream().pipeThrough(new DecompressionStream('gzip'));
        try { for await (const _ of broken); } catch (e) { (e as Error).name }";
    assert_eq!(value(source), "TypeError");
}

#[test]
fn a_piece_of_a_body_keeps_no_more_than_it_holds() {
    let source = "
        const kept: Uint8Array[] = [];
        for (const text of ['hello', 'x'.repeat(100_000)]) {
          for await (const piece of (await fetch(`data:,${text}`)).body!) kept.push(piece);
        }
        kept.map((piece) => [piece.length, piece.buffer.byteLength])";
    assert_eq!(value(source), json!([[5, 5], [65_536, 65_536], [34_464, 65_536]]));
}

#[test]
fn a_piece_that_is_read_into_a_buffer_of_the_readers_leaves_it_whole() {
    let source = "
        const reader = (await fetch('data:,hello')).body!.getReader({ mode: 'byob' });
        const { value } = await reader.read(new Uint8Array(100));
        const { done } = await reader.read(new Uint8Array(100));
        [value!.length, value!.buffer.byteLength, done]";
    assert_eq!(value(source), json!([5, 100, true]));
}

#[test]
fn a_reader_that_goes_while_it_waits_leaves_its_piece_to_the_next() {
    let source = "
        const body = (await fetch('data:,hello')).body!;
        const first = body.getReader();
        const gone = first.read().then(() => 'read', (e) => e.name);
        first.releaseLock();
        const { value } = await body.getReader().read();
        [await gone, value!.length]";
    assert_eq!(value(source), json!(["TypeError", 5]));
}

#[test]
fn a_stream_that_is_cancelled_while_it_is_read_ends() {
    let source = "
        const reader = (await fetch('data:,hello')).body!.getReader();
        const reading = reader.read();
        await reader.cancel();
        [await reading, await reader.closed]";
    assert_eq!(value(source), json!([{ "done": true }, null]));
}
