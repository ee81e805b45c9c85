"""What scripts/test.py is made of: counting, processes, build trees and the kinds of suites."""
