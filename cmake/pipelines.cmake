# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The lore authors
#
# Runs each pipeline from generated raw files to its tables and plots, in <work_dir>/<dataset>.
#   cmake -D work_dir=.. -D reddit_tldr=<directory of its programs> -D prism=.. -D personal_llm=.. -P pipelines.cmake

cmake_minimum_required(VERSION 3.24)

# run(<dataset> <program> <arguments>...)
function(run dataset program)
  list(JOIN ARGN " " arguments)
  message(NOTICE "\n== ${dataset}: ${program} ${arguments}")
  execute_process(COMMAND ${${dataset}}/${program} ${ARGN} WORKING_DIRECTORY ${work_dir}/${dataset} RESULT_VARIABLE result)
  if(NOT result STREQUAL "0")
    message(FATAL_ERROR "${dataset}: ${program} ended with ${result}")
  endif()
endfunction()

foreach(dataset reddit_tldr prism personal_llm)
  file(MAKE_DIRECTORY ${work_dir}/${dataset})
  run(${dataset} generate)
  if(dataset STREQUAL "reddit_tldr")
    run(${dataset} prepare --train comparisons.train.jsonl --validation comparisons.validation.jsonl)
  elseif(dataset STREQUAL "prism")
    run(${dataset} prepare --survey survey.jsonl --conversations conversations.jsonl)
  else()
    run(${dataset} prepare --train train.jsonl --test test.jsonl)
  endif()
  run(${dataset} train_basis --model model.safetensors --results ranks.json --plot ranks.svg)
  run(${dataset} vary_fewshot --model model.safetensors --results shots.json --plot shots.svg)
endforeach()
message(NOTICE "\n== models, results and plots lie in ${work_dir}/<dataset>")
