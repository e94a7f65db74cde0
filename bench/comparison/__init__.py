"""What bench/compare is made of. main.py reads as one page."""
