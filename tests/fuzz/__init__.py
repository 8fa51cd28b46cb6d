"""A fuzzer: random programs, run on arrays and on Tensors, and all derivatives compared.

programs.py    what a program is, how it is run, how it is printed
operations.py  what a program may do: a table of expressions
generator.py   a program from a seed
checks.py      one program, compared with NumPy, with differences and with autograd
second.py      the derivatives by HIPS autograd
shrinker.py    a failing program made short
"""
