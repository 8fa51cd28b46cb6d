"""Is everything installed, and how does an exercise work?

A hole is written `...`: replace it by your answer, save the file, and run it. Here the question is
easy: x is 3, and what is x * x? If your answer is right, the engine computes it as well. Then the
libraries and the drawing of pictures are checked.
"""

x_times_x = ...


if __name__ == "__main__":
    from checking import run

    run(__file__)
