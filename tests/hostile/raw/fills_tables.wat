;; Grows a table for as long as it is let.
(memory (export "memory") 1)
(table $table 1 funcref)
(func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
(func (export "call") (param i32 i32 i32 i32) (result i32)
  (loop $again
    (br_if $again (i32.ne (table.grow $table (ref.null func) (i32.const 1000)) (i32.const -1))))
  unreachable)
(func (export "after-call") (param i32))
(func (export "definitions") (result i32) (i32.const 512))
