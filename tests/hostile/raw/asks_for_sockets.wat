;; The network, as WASI has it.
(memory (export "memory") 1)
(func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
(func (export "call") (param i32 i32 i32 i32) (result i32) unreachable)
(func (export "after-call") (param i32))
(func (export "definitions") (result i32) (i32.const 512))
(; beside the module ;)
(import "wasi:sockets/tcp-create-socket@0.2.0" (instance))
(import "wasi:http/outgoing-handler@0.2.0" (instance))
