// node:module. Modules are found by the server: what is here is the table of built-ins.

import { primordials } from "ext:core/mod.js";
import { createRequire, isBuiltin } from "ext:conductor_node/require.js";
const { Error, ObjectAssign } = primordials;

// Filled when all built-ins are evaluated, this one among them.
const builtinModules = [];

function unavailable(name) {
  return () => {
    const error = new Error(`module.${name}() is not available here: modules are imported`);
    error.code = "ERR_FEATURE_UNAVAILABLE_ON_PLATFORM";
    throw error;
  };
}

function Module(id = "") {
  this.id = id;
  this.exports = {};
  this.filename = null;
  this.loaded = false;
  this.children = [];
  this.paths = [];
}
const findSourceMap = () => undefined;
const findPackageJSON = () => undefined;
const syncBuiltinESMExports = () => {};
const register = unavailable("register");
const registerHooks = unavailable("registerHooks");
const enableCompileCache = () => ({ status: 3 });
const getCompileCacheDir = () => undefined;
const stripTypeScriptTypes = unavailable("stripTypeScriptTypes");
const wrap = (script) =>
  `(function (exports, require, module, __filename, __dirname) { ${script}\n});`;
const _load = unavailable("_load");
const _resolveFilename = unavailable("_resolveFilename");
const _nodeModulePaths = () => [];
const _extensions = { __proto__: null };
const _cache = { __proto__: null };
const globalPaths = [];

ObjectAssign(Module, {
  _cache,
  _extensions,
  _load,
  _nodeModulePaths,
  _resolveFilename,
  builtinModules,
  createRequire,
  enableCompileCache,
  findPackageJSON,
  findSourceMap,
  getCompileCacheDir,
  globalPaths,
  isBuiltin,
  Module,
  register,
  registerHooks,
  stripTypeScriptTypes,
  syncBuiltinESMExports,
  wrap,
});

export default Module;
export {
  _cache,
  _extensions,
  _load,
  _nodeModulePaths,
  _resolveFilename,
  builtinModules,
  createRequire,
  enableCompileCache,
  findPackageJSON,
  findSourceMap,
  getCompileCacheDir,
  globalPaths,
  isBuiltin,
  Module,
  register,
  registerHooks,
  stripTypeScriptTypes,
  syncBuiltinESMExports,
  wrap,
};
