#!/bin/bash
# What judges the tests of checkpoints finds each wrong.
exec /usr/bin/python3 -B "$(dirname "$(readlink -f "$0")")/checkpoint_judge_test.py"
