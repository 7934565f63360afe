// node:vm: code in the program's own context. Another context would be another realm,
// which would be no fence: the fence is the process.

import { primordials } from "ext:core/mod.js";
import { ops, refuse } from "ext:conductor_node/ops/table.js";
const { ArrayPrototypePush, Function, ObjectSetPrototypeOf, ReflectConstruct, String } =
  primordials;

// Called by another name, it does not see the names of its caller.
const evaluate = globalThis.eval;

ops.op_vm_is_context = () => false;
ops.op_vm_create_script = (code, filename) => ({
  __proto__: null,
  value: { __proto__: null, code: `${String(code)}\n//# sourceURL=${filename}` },
  cachedData: undefined,
  cachedDataProduced: false,
  cachedDataRejected: undefined,
});
ops.op_vm_script_run_in_context = ({ code }) => evaluate(code);
ops.op_vm_script_get_source_map_url = () => undefined;
ops.op_vm_compile_function = (code, _filename, _line, _column, _data, _produce, _context, _extensions, params) => {
  const texts = ObjectSetPrototypeOf([], null);
  for (let i = 0; i < (params?.length ?? 0); i++) ArrayPrototypePush(texts, params[i]);
  ArrayPrototypePush(texts, code);
  return {
    __proto__: null,
    value: ReflectConstruct(Function, texts),
    cachedData: undefined,
    cachedDataProduced: false,
    cachedDataRejected: undefined,
  };
};

const OTHER = "Other contexts of node:vm are not available here: vm.runInThisContext() runs code " +
  "in the program's own";
refuse("op_vm_create_context", OTHER);
refuse("op_vm_create_context_without_contextify", OTHER);
