;; Asks for its gigabytes before a single instruction of it runs.
(memory (export "memory") 65536)
(func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
(func (export "call") (param i32 i32 i32 i32) (result i32) unreachable)
(func (export "after-call") (param i32))
(func (export "definitions") (result i32) (i32.const 512))
