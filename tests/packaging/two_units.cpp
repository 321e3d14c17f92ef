// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
//
// first_unit and second_unit live in two generated files, each of which includes every header: a function
// that is defined in a header without `inline` ends here as a duplicate symbol.

int first_unit();
int second_unit();

int main() { return first_unit() == second_unit() ? 0 : 1; }
