# residual in 3 functions behind a gateway, planned for aws-lambda-arm64
# Plan sha256:PLAN
# The packages (stage-1.zip ... gateway.zip) must be in the bucket under package_prefix. The gateway's package names the
# bucket for hand-overs, so bucket must be the one that it was made for; partita package writes them. Credentials and region
# are the provider's.
# When a package changes under the same key, apply with -replace of its function: Terraform does not look into the bucket.

terraform {
  required_version = ">= 1.3"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.0"
    }
  }
}

variable "bucket" {
  description = "Bucket of the packages and of what stages hand over"
  type        = string
  default     = "partita"
}

variable "package_prefix" {
  description = "Folder of the packages in the bucket, without a final slash"
  type        = string
  default     = "deployments/residual/packages"
}

variable "log_retention_days" {
  description = "Days that logs are kept"
  type        = number
  default     = 14
}

locals {
  stages = {
    "stage-1" = {
      name            = "partita-residual-stage-1"
      description     = "residual: stage 1 of 3, image .. block0_add"
      memory_mb       = 512
      timeout_seconds = 70
      temporary_mb    = 512
    }
    "stage-2" = {
      name            = "partita-residual-stage-2"
      description     = "residual: stage 2 of 3, block1_a .. pool"
      memory_mb       = 1024
      timeout_seconds = 71
      temporary_mb    = 512
    }
    "stage-3" = {
      name            = "partita-residual-stage-3"
      description     = "residual: stage 3 of 3, classes"
      memory_mb       = 512
      timeout_seconds = 69
      temporary_mb    = 512
    }
  }
  gateway = {
    name            = "partita-residual-gateway"
    description     = "residual: gateway to residual"
    memory_mb       = 512
    timeout_seconds = 900
    temporary_mb    = 512
  }
  tags = {
    "partita:deployment" = "residual"
    "partita:plan"       = "sha256:PLAN"
  }
}

data "aws_partition" "current" {
}

data "aws_region" "current" {
}

data "aws_caller_identity" "current" {
}

data "aws_iam_policy_document" "trust" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["lambda.amazonaws.com"]
    }
  }
}

data "aws_iam_policy_document" "stage" {
  statement {
    sid = "WriteLogs"
    actions = [
      "logs:CreateLogStream",
      "logs:PutLogEvents",
    ]
    resources = [
      "arn:${data.aws_partition.current.partition}:logs:${data.aws_region.current.name}:${data.aws_caller_identity.current.account_id}:log-group:/aws/lambda/partita-residual-stage-*:*",
    ]
  }

  statement {
    sid = "HandOverTensors"
    actions = [
      "s3:GetObject",
      "s3:PutObject",
    ]
    resources = [
      "arn:${data.aws_partition.current.partition}:s3:::${var.bucket}/runs/residual/*",
    ]
  }
}

resource "aws_iam_role" "stage" {
  name               = "partita-residual-stage"
  assume_role_policy = data.aws_iam_policy_document.trust.json
  tags               = local.tags
}

resource "aws_iam_role_policy" "stage" {
  name   = "partita-residual-stage"
  role   = aws_iam_role.stage.id
  policy = data.aws_iam_policy_document.stage.json
}

data "aws_iam_policy_document" "gateway" {
  statement {
    sid = "WriteLogs"
    actions = [
      "logs:CreateLogStream",
      "logs:PutLogEvents",
    ]
    resources = [
      "arn:${data.aws_partition.current.partition}:logs:${data.aws_region.current.name}:${data.aws_caller_identity.current.account_id}:log-group:/aws/lambda/partita-residual-gateway:*",
    ]
  }

  statement {
    sid = "DriveStages"
    actions = [
      "lambda:InvokeFunction",
    ]
    resources = [
      "arn:${data.aws_partition.current.partition}:lambda:${data.aws_region.current.name}:${data.aws_caller_identity.current.account_id}:function:partita-residual-stage-1",
      "arn:${data.aws_partition.current.partition}:lambda:${data.aws_region.current.name}:${data.aws_caller_identity.current.account_id}:function:partita-residual-stage-2",
      "arn:${data.aws_partition.current.partition}:lambda:${data.aws_region.current.name}:${data.aws_caller_identity.current.account_id}:function:partita-residual-stage-3",
    ]
  }

  statement {
    sid = "HandOverTensors"
    actions = [
      "s3:GetObject",
      "s3:PutObject",
      "s3:DeleteObject",
    ]
    resources = [
      "arn:${data.aws_partition.current.partition}:s3:::${var.bucket}/runs/residual/*",
    ]
  }

  statement {
    sid = "FindTensors"
    actions = [
      "s3:ListBucket",
    ]
    resources = [
      "arn:${data.aws_partition.current.partition}:s3:::${var.bucket}",
    ]

    condition {
      test     = "StringLike"
      variable = "s3:prefix"
      values   = ["runs/residual/*"]
    }
  }
}

resource "aws_iam_role" "gateway" {
  name               = "partita-residual-gateway"
  assume_role_policy = data.aws_iam_policy_document.trust.json
  tags               = local.tags
}

resource "aws_iam_role_policy" "gateway" {
  name   = "partita-residual-gateway"
  role   = aws_iam_role.gateway.id
  policy = data.aws_iam_policy_document.gateway.json
}

resource "aws_cloudwatch_log_group" "stage" {
  for_each = local.stages

  name              = "/aws/lambda/${each.value.name}"
  retention_in_days = var.log_retention_days
  tags              = local.tags
}

resource "aws_lambda_function" "stage" {
  for_each = local.stages

  function_name = each.value.name
  description   = each.value.description
  package_type  = "Zip"
  runtime       = "provided.al2023"
  handler       = "bootstrap"
  architectures = ["arm64"]
  memory_size   = each.value.memory_mb
  timeout       = each.value.timeout_seconds
  role          = aws_iam_role.stage.arn
  s3_bucket     = var.bucket
  s3_key        = "${var.package_prefix}/${each.key}.zip"
  tags          = local.tags

  ephemeral_storage {
    size = each.value.temporary_mb
  }

  depends_on = [aws_cloudwatch_log_group.stage, aws_iam_role_policy.stage]
}

resource "aws_cloudwatch_log_group" "gateway" {
  name              = "/aws/lambda/${local.gateway.name}"
  retention_in_days = var.log_retention_days
  tags              = local.tags
}

resource "aws_lambda_function" "gateway" {
  function_name = local.gateway.name
  description   = local.gateway.description
  package_type  = "Zip"
  runtime       = "provided.al2023"
  handler       = "bootstrap"
  architectures = ["arm64"]
  memory_size   = local.gateway.memory_mb
  timeout       = local.gateway.timeout_seconds
  role          = aws_iam_role.gateway.arn
  s3_bucket     = var.bucket
  s3_key        = "${var.package_prefix}/gateway.zip"
  tags          = local.tags

  ephemeral_storage {
    size = local.gateway.temporary_mb
  }

  depends_on = [aws_cloudwatch_log_group.gateway, aws_iam_role_policy.gateway]
}

output "gateway_function" {
  description = "Function that takes requests"
  value       = aws_lambda_function.gateway.function_name
}

output "gateway_arn" {
  description = "Its ARN"
  value       = aws_lambda_function.gateway.arn
}
