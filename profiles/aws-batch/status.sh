#!/bin/sh
# Prints what Snakemake asks: whether a job of AWS Batch is running, has ended well, or has failed.
case $(aws batch describe-jobs --jobs "$1" --query 'jobs[0].status' --output text) in
  SUCCEEDED) echo success ;;
  FAILED) echo failed ;;
  *) echo running ;;
esac
