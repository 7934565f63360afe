// What node:os and node:process take of deno_os.

(function () {
  const {
    op_exec_path,
    op_exit,
    op_gid,
    op_hostname,
    op_loadavg,
    op_network_interfaces,
    op_os_release,
    op_os_uptime,
    op_system_memory_info,
    op_uid,
    op_get_exit_code,
    op_set_exit_code,
    op_get_env,
    op_set_env,
    op_delete_env,
    op_env,
  } = __bootstrap.core.ops;
  return {
    env: {
      get: (name) => op_get_env(name) ?? undefined,
      set: op_set_env,
      has: (name) => op_get_env(name) !== undefined,
      delete: op_delete_env,
      toObject: op_env,
    },
    execPath: op_exec_path,
    exit: op_exit,
    getExitCode: op_get_exit_code,
    gid: op_gid,
    hostname: op_hostname,
    loadavg: op_loadavg,
    networkInterfaces: op_network_interfaces,
    osRelease: op_os_release,
    osUptime: op_os_uptime,
    setExitCode: op_set_exit_code,
    setExitHandler() {},
    systemMemoryInfo: op_system_memory_info,
    uid: op_uid,
  };
})();
