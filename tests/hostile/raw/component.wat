;; What is around each of the modules here: a component that exports the tools, and what they consist of.
;;
;; A module exports "memory", "realloc", "call" (name and input, each an address and a length; gives the address
;; of the result: a byte 0 or 1, at 4 the summary, at 12 the content, at 24 the data; or at 4 the kind, at 5 the
;; reason, at 8 the message), "after-call" (its post-return), and "definitions" (gives the address of an address
;; and a length; at 512 there are two zeros: no tool).
(component
  (core module $module
    (; the module ;)
  )
  (; what is beside it ;)
  (core instance $instance (instantiate $module))
  (core module $no-transcripts (func (export "transcript") (param i32 i32) (result i32) unreachable))
  (core instance $transcripts (instantiate $no-transcripts))
  (type $kind (enum "invalid-argument" "execution-failed" "unknown-tool" "denied" "timeout" "limit" "internal"))
  (type $reason (enum "unknown-pod" "already-running" "unreachable" "socket-timeout" "closed" "protocol"
    "pod-error" "still-running" "lock-busy" "lock-damaged" "registry-damaged" "state-unwritable"
    "descriptors-exhausted" "not-granted" "socket-refused"))
  (type $error (record (field "kind" $kind) (field "reason" (option $reason)) (field "message" string)))
  (type $effects (record (field "read-only" bool) (field "destructive" bool) (field "idempotent" bool)))
  (type $definition (record (field "name" string) (field "description" string) (field "input-schema" string)
    (field "data-schema" string) (field "content-property" (option string)) (field "effects" $effects)))
  (type $document (record (field "media-type" string) (field "text" string)))
  (type $output (record (field "summary" string) (field "content" (option string)) (field "data" string)))

  (type $call-type (func (param "name" string) (param "input-json" string) (result (result $output (error $error)))))
  (type $definitions-type (func (result (list $definition))))
  (type $transcript-type (func (param "name" string) (result (result $document (error $error)))))
  (func $call (type $call-type)
    (canon lift (core func $instance "call") (memory (core memory $instance "memory"))
      (realloc (core func $instance "realloc")) (post-return (core func $instance "after-call"))))
  (func $definitions (type $definitions-type)
    (canon lift (core func $instance "definitions") (memory (core memory $instance "memory"))))
  (func $transcript (type $transcript-type)
    (canon lift (core func $transcripts "transcript") (memory (core memory $instance "memory"))
      (realloc (core func $instance "realloc"))))

  (instance $tools
    (export "error-kind" (type $kind))
    (export "reason" (type $reason))
    (export "error" (type $error))
    (export "effects" (type $effects))
    (export "definition" (type $definition))
    (export "output" (type $output))
    (export "document" (type $document))
    (export "call" (func $call))
    (export "definitions" (func $definitions))
    (export "transcript" (func $transcript)))
  (export "pod:tools/tools@0.1.0" (instance $tools))
)
