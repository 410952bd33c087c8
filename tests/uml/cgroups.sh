# The tests of control groups.
"$SYS_TESTS" "${FILTER:-cgroups}" --nocapture --test-threads=1
