;; One definition, of a tool `x`, whose schemas are empty texts.
(memory (export "memory") 1)
(data (i32.const 0) "\10\00\00\00" "\01\00\00\00" "x\00\00\00\00\00\00\00" "\08\00\00\00" "\01\00\00\00")
(func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
(func (export "call") (param i32 i32 i32 i32) (result i32) unreachable)
(func (export "after-call") (param i32))
(func (export "definitions") (result i32) (i32.const 0))
