;; A good answer, and a trap in the function that frees it.
(memory (export "memory") 1)
(data (i32.const 0) "\00\00\00\00" "\40\00\00\00" "\04\00\00\00" "\00\00\00\00" "\00\00\00\00" "\00\00\00\00"
  "\40\00\00\00" "\04\00\00\00")
(data (i32.const 64) "null")
(func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
(func (export "call") (param i32 i32 i32 i32) (result i32) (i32.const 0))
(func (export "after-call") (param i32) unreachable)
(func (export "definitions") (result i32) (i32.const 512))
