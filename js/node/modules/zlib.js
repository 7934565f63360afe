// node:zlib: what Deno's script of that name returns.

import { core } from "ext:core/mod.js";
const exported = core.loadExtScript("ext:deno_node/zlib.js");

export default exported.default ?? exported;
export const {
  BrotliCompress, BrotliDecompress, DEFLATE, DEFLATERAW, Deflate, DeflateRaw, GUNZIP, GZIP,
  Gunzip, Gzip, INFLATE, INFLATERAW, Inflate, InflateRaw, UNZIP, Unzip, ZLIB_VERNUM,
  ZSTD_COMPRESS, ZSTD_DECOMPRESS, ZSTD_btlazy2, ZSTD_btopt, ZSTD_btultra, ZSTD_btultra2,
  ZSTD_c_chainLog, ZSTD_c_checksumFlag, ZSTD_c_compressionLevel, ZSTD_c_contentSizeFlag,
  ZSTD_c_dictIDFlag, ZSTD_c_enableLongDistanceMatching, ZSTD_c_hashLog, ZSTD_c_jobSize,
  ZSTD_c_ldmBucketSizeLog, ZSTD_c_ldmHashLog, ZSTD_c_ldmHashRateLog, ZSTD_c_ldmMinMatch,
  ZSTD_c_minMatch, ZSTD_c_nbWorkers, ZSTD_c_overlapLog, ZSTD_c_searchLog, ZSTD_c_strategy,
  ZSTD_c_targetLength, ZSTD_c_windowLog, ZSTD_d_windowLogMax, ZSTD_dfast, ZSTD_e_continue,
  ZSTD_e_end, ZSTD_e_flush, ZSTD_fast, ZSTD_greedy, ZSTD_lazy, ZSTD_lazy2, Z_BEST_COMPRESSION,
  Z_BEST_SPEED, Z_BLOCK, Z_BUF_ERROR, Z_DATA_ERROR, Z_DEFAULT_CHUNK, Z_DEFAULT_COMPRESSION,
  Z_DEFAULT_LEVEL, Z_DEFAULT_MEMLEVEL, Z_DEFAULT_STRATEGY, Z_DEFAULT_WINDOWBITS, Z_ERRNO,
  Z_FILTERED, Z_FINISH, Z_FIXED, Z_FULL_FLUSH, Z_HUFFMAN_ONLY, Z_MAX_CHUNK, Z_MAX_LEVEL,
  Z_MAX_MEMLEVEL, Z_MAX_WINDOWBITS, Z_MEM_ERROR, Z_MIN_CHUNK, Z_MIN_LEVEL, Z_MIN_MEMLEVEL,
  Z_MIN_WINDOWBITS, Z_NEED_DICT, Z_NO_COMPRESSION, Z_NO_FLUSH, Z_OK, Z_PARTIAL_FLUSH, Z_RLE,
  Z_STREAM_END, Z_STREAM_ERROR, Z_SYNC_FLUSH, Z_VERSION_ERROR, ZstdCompress, ZstdDecompress,
  brotliCompress, brotliCompressSync, brotliDecompress, brotliDecompressSync, codes, constants,
  crc32, createBrotliCompress, createBrotliDecompress, createDeflate, createDeflateRaw,
  createGunzip, createGzip, createInflate, createInflateRaw, createUnzip, createZstdCompress,
  createZstdDecompress, deflate, deflateRaw, deflateRawSync, deflateSync, gunzip, gunzipSync,
  gzip, gzipSync, inflate, inflateRaw, inflateRawSync, inflateSync, unzip, unzipSync,
  zstdCompress, zstdCompressSync, zstdDecompress, zstdDecompressSync,
} = exported;
