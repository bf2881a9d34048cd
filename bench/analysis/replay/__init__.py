"""What if: a trace played again with a cause removed or scaled."""
