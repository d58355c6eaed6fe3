"""every job in order: files -> gold.current_*"""

from shoal.cli import run_job

if __name__ == "__main__":
    run_job("pipeline")
