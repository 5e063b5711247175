;; The last page that an address can name, of a memory of one page.
(memory (export "memory") 1)
(func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 0xffff0000))
(func (export "call") (param i32 i32 i32 i32) (result i32) unreachable)
(func (export "after-call") (param i32))
(func (export "definitions") (result i32) (i32.const 512))
