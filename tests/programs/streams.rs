//! Streams of the web platform.

use serde_json::json;

use super::common::value;

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
