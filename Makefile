# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# make demo [SOURCE=film.mp4 | folder of images | rosbag2]   see the node at work
# make test                                                  everything that must hold
#
# Each sets up what it needs first. ROS=jazzy takes those wheels; where a ROS 2 is sourced, that one is used.

SHELL := /bin/bash
PYTHON ?= $(shell command -v python3.11 || command -v python3)
ROS ?= $(if $(ROS_DISTRO),installed,kilted)
ENVIRONMENT := .ros/$(if $(filter installed,$(ROS)),installed-$(ROS_DISTRO),$(ROS))
IN_ENVIRONMENT := . $(ENVIRONMENT)/setup.sh &&

.PHONY: help demo test lint bench-node clean

help:
	@sed -n '4,7s/^# \{0,1\}//p' Makefile

.PHONY: environment environment-test
environment:
	@$(PYTHON) scripts/environment.py --ros $(ROS)

environment-test:
	@$(PYTHON) scripts/environment.py --ros $(ROS) --with test

demo: environment
	@$(IN_ENVIRONMENT) python -m tsr_ros.replay.demo $(if $(SOURCE),"$(SOURCE)")

test: environment-test lint
	@$(IN_ENVIRONMENT) python -m pytest $(ARGS)

lint: environment-test
	@$(IN_ENVIRONMENT) ruff check .
	@$(IN_ENVIRONMENT) vermin -t=3.6- --no-tips -q tsr_ros/vision tsr_ros/backends tsr_ros/tracking tsr_ros/nodes

clean:
	rm -rf .ros out
