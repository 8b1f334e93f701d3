# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# make demo [SOURCE=film.mp4 | folder of images | rosbag2]   see the node at work
# make test [ARGS=test/vision]                               everything that must hold
# make lint                                                  the checks of style alone
# make bench-backends                                        time every runtime on this computer
# make bench-node                                            time what the node adds to the network
# make bench-training DATA=DIR [CONFIG=FILE]                 time loading and augmenting of images
# make clean                                                 remove what was set up and made
#
# Each sets up what it needs first, in .ros/. ROS=jazzy takes those wheels; where a ROS 2 is sourced, it is used.

SHELL := /bin/bash
ROS ?= $(or $(TSR_ROS_ENVIRONMENT),$(if $(ROS_DISTRO),installed,kilted))
INSTALLED := $(filter installed,$(ROS))
PYTHON ?= $(shell $(if $(INSTALLED),,command -v python3.11 ||) command -v python3)
ENVIRONMENT := .ros/$(if $(INSTALLED),installed-$(ROS_DISTRO),$(ROS))
IN_ENVIRONMENT := . $(ENVIRONMENT)/setup.sh &&
SET_UP = $(or $(PYTHON),$(error Python is missing. Install it: sudo apt install python3.11 python3.11-venv)) \
	scripts/environment.py --ros $(ROS)
ON_ROBOT := tsr_ros/vision tsr_ros/backends tsr_ros/tracking tsr_ros/nodes \
	$(addprefix tsr_ros/cli/,__init__.py arguments.py computer.py doctor.py engine.py models.py) setup.py

.PHONY: help environment environment-test demo test lint bench-backends bench-node bench-training clean

help:
	@sed -n '4,12s/^# \{0,1\}//p' Makefile

environment:
	@$(SET_UP)

environment-test:
	@$(SET_UP) --with test

demo: environment
	@$(IN_ENVIRONMENT) python -m tsr_ros.replay.demo $(if $(SOURCE),"$(SOURCE)")

bench-backends: environment-test
	@$(IN_ENVIRONMENT) python scripts/tsr benchmark --model yolov7-tiny --untrained yolov7 --node \
		--out out/bench-backends

bench-node: environment
	@$(IN_ENVIRONMENT) python -m tsr_ros.benchmark.node_overhead --out out/bench-node/node.json

test: environment-test lint
	@$(IN_ENVIRONMENT) python -m pytest $(ARGS)

lint: environment-test
	@$(IN_ENVIRONMENT) ruff check .
	@$(IN_ENVIRONMENT) vermin -t=3.6- --no-tips -q $(ON_ROBOT)

CONFIG ?= config/training/cpu.yaml
bench-training: environment-test
	@$(IN_ENVIRONMENT) python -m tsr_ros.training.throughput $(CONFIG) --data $(DATA) $(ARGS)

clean:
	rm -rf .ros out
