//! The 42 functions of `wasi_snapshot_preview1` that the interpreter imports.

/// A parameter's type in Wasm.
#[cfg(test)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engines::python) enum Parameter {
    I32,
    I64,
}

/// What a call is given: an i32 as it is without a sign, an i64 wrapped; zeros behind them.
pub(in crate::engines::python) type Arguments = [u64; MAX_PARAMETERS];

/// `path_open` has the most.
const MAX_PARAMETERS: usize = 9;

macro_rules! imports {
    ($($import:ident $name:literal ($($parameter:ident)*);)*) => {
        /// An imported function.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(in crate::engines::python) enum Import {
            $($import,)*
        }

        impl Import {
            /// Every one, in the order of the module's imports.
            pub(in crate::engines::python) const ALL: &[Self] = &[$(Self::$import,)*];

            /// The name in the module.
            pub(in crate::engines::python) fn name(self) -> &'static str {
                match self {
                    $(Self::$import => $name,)*
                }
            }

            /// The types of its parameters, as the module has them. All but `proc_exit` return an i32.
            #[cfg(test)]
            pub(in crate::engines::python) fn parameters(self) -> &'static [Parameter] {
                match self {
                    $(Self::$import => &[$(Parameter::$parameter,)*],)*
                }
            }
        }
    };
}

imports! {
    ArgsGet "args_get" (I32 I32);
    ArgsSizesGet "args_sizes_get" (I32 I32);
    EnvironGet "environ_get" (I32 I32);
    EnvironSizesGet "environ_sizes_get" (I32 I32);
    ClockResGet "clock_res_get" (I32 I32);
    ClockTimeGet "clock_time_get" (I32 I64 I32);
    FdAdvise "fd_advise" (I32 I64 I64 I32);
    FdClose "fd_close" (I32);
    FdDatasync "fd_datasync" (I32);
    FdFdstatGet "fd_fdstat_get" (I32 I32);
    FdFdstatSetFlags "fd_fdstat_set_flags" (I32 I32);
    FdFilestatGet "fd_filestat_get" (I32 I32);
    FdFilestatSetSize "fd_filestat_set_size" (I32 I64);
    FdFilestatSetTimes "fd_filestat_set_times" (I32 I64 I64 I32);
    FdPread "fd_pread" (I32 I32 I32 I64 I32);
    FdPrestatGet "fd_prestat_get" (I32 I32);
    FdPrestatDirName "fd_prestat_dir_name" (I32 I32 I32);
    FdPwrite "fd_pwrite" (I32 I32 I32 I64 I32);
    FdRead "fd_read" (I32 I32 I32 I32);
    FdReaddir "fd_readdir" (I32 I32 I32 I64 I32);
    FdSeek "fd_seek" (I32 I64 I32 I32);
    FdSync "fd_sync" (I32);
    FdTell "fd_tell" (I32 I32);
    FdWrite "fd_write" (I32 I32 I32 I32);
    PathCreateDirectory "path_create_directory" (I32 I32 I32);
    PathFilestatGet "path_filestat_get" (I32 I32 I32 I32 I32);
    PathFilestatSetTimes "path_filestat_set_times" (I32 I32 I32 I32 I64 I64 I32);
    PathLink "path_link" (I32 I32 I32 I32 I32 I32 I32);
    PathOpen "path_open" (I32 I32 I32 I32 I32 I64 I64 I32 I32);
    PathReadlink "path_readlink" (I32 I32 I32 I32 I32 I32);
    PathRemoveDirectory "path_remove_directory" (I32 I32 I32);
    PathRename "path_rename" (I32 I32 I32 I32 I32 I32);
    PathSymlink "path_symlink" (I32 I32 I32 I32 I32);
    PathUnlinkFile "path_unlink_file" (I32 I32 I32);
    PollOneoff "poll_oneoff" (I32 I32 I32 I32);
    ProcExit "proc_exit" (I32);
    SchedYield "sched_yield" ();
    RandomGet "random_get" (I32 I32);
    SockAccept "sock_accept" (I32 I32 I32);
    SockRecv "sock_recv" (I32 I32 I32 I32 I32 I32);
    SockSend "sock_send" (I32 I32 I32 I32 I32);
    SockShutdown "sock_shutdown" (I32 I32);
}
