;; The host allocates the input in the plugin before it calls.
(memory (export "memory") 1)
(func (export "realloc") (param i32 i32 i32 i32) (result i32) unreachable)
(func (export "call") (param i32 i32 i32 i32) (result i32) unreachable)
(func (export "after-call") (param i32))
(func (export "definitions") (result i32) (i32.const 512))
