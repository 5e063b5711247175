;; A summary of a lone surrogate, as UTF-8 would have it if it had one.
(memory (export "memory") 1)
(data (i32.const 0) "\00\00\00\00" "\50\00\00\00" "\03\00\00\00" "\00\00\00\00" "\00\00\00\00" "\00\00\00\00"
  "\40\00\00\00" "\04\00\00\00")
(data (i32.const 64) "null")
(data (i32.const 80) "\ed\a0\80")
(func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
(func (export "call") (param i32 i32 i32 i32) (result i32) (i32.const 0))
(func (export "after-call") (param i32))
(func (export "definitions") (result i32) (i32.const 512))
