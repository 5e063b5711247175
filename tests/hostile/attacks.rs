// The attacks, by the module that holds them: in the plugin their code, in the host's tests their tests. Whoever
// needs the list gives the name of a macro that takes it. A name completes "a plugin that …".

/// Hands the list of attacks to the macro of that name: `module { attack attack … } …`.
#[macro_export]
macro_rules! attacks {
    ($then:ident) => {
        $then! {
            exhaustion {
                loops_for_ever
                recurses_for_ever
                takes_all_memory
                floods_the_host_with_calls
                floods_wasi_with_calls
                sleeps_for_ever
                waits_for_a_silent_pod_for_ever
                reads_for_ever_a_byte_at_a_time
                hoards_pods
                hoards_pollables
                writes_gigabytes_to_the_log
                asks_wasi_for_gigabytes
                gives_a_function_all_that_it_takes
                hoards_streams
                hoards_one_large_record
                hoards_the_versions_of_a_record
            }
            connections {
                keeps_all_exchanges_open
                floods_a_pod_with_connections
                floods_a_pod_with_probes
                asks_for_longer_waits
                drops_an_exchange_unread
                forges_a_second_method
                sends_gigantic_messages
                sends_a_message_beyond_the_limit
                probes_one_pod_over_and_over
                probes_more_pods_than_it_has_time_for
            }
            handles {
                uses_a_pod_that_it_dropped
                uses_an_exchange_that_it_dropped
                drops_a_pod_twice
                uses_handles_that_it_never_got
                takes_a_pod_for_an_exchange
            }
            arguments {
                looks_for_a_gigantic_name
                looks_for_a_name_of_control_characters
                sets_a_gigantic_cursor
                probes_a_gigantic_list
                probes_with_a_gigantic_list_of_handles
            }
            results {
                answers_without_end
                answers_what_is_not_json
                answers_a_forged_batch_line
                answers_json_nested_without_end
                fails_with_a_gigantic_message
                fails_with_a_limit_of_its_own
                fails_with_a_message_beyond_its_bound
                answers_data_a_byte_beyond_its_bound
                answers_data_of_nothing_but_numbers
                answers_data_of_nothing_but_brackets
                answers_data_nested_beyond_its_bound
                answers_a_summary_beyond_its_bound
                hands_over_the_most_text_twice
                hands_over_text_without_end
                hands_over_text_and_fails
            }
            traps {
                traps_at_once
                traps_inside_a_connection
                traps_between_release_and_forget
                traps_after_setting_a_cursor
                exits
            }
            authority {
                tries_every_request
                guesses_names
                reaches_outside
                releases_a_living_pod
                forgets_without_release
                forgets_a_pod_that_came_back
                hammers_the_scope_lock
                releases_without_end
            }
            ambient {
                opens_files
                reads_the_environment
                tells_the_time
                tells_the_time_by_pollables
                times_its_work_by_an_exchange
            }
            state {
                keeps_its_state
                sets_a_cursor_beyond_the_end_and_fails
                sets_a_cursor_beyond_the_end
            }
        }
    };
}

/// Hands the list of attacks that need a component of their own to the macro of that name. Their code is in
/// `raw/`.
#[macro_export]
macro_rules! raw_attacks {
    ($then:ident) => {
        $then! {
            asks_for_sockets
            traps_at_instantiation
            loops_at_instantiation
            fills_tables
            starts_with_gigabytes
            brings_many_instances
            traps_in_its_allocator
            loops_in_its_allocator
            allocates_beyond_its_memory
            traps_after_its_answer
            answers_text_that_is_not_text
            answers_from_beyond_its_memory
            answers_an_error_of_no_kind
            answers_definitions_without_end
            answers_definitions_that_are_not_json
        }
    };
}
